// Uses everything that the SDK has; `plugin.py` beside it does the same.

import { info, literal, literalJson, log, objectName, phase, rejected, waiting, warning } from "./testbench.js";

export const generator = phase({
  name: "exercise",
  version: "1.2.3",
  inputs: ["suspend"],
  creates: [{ apiVersion: "v1", kind: "ConfigMap" }],
  settingsSchema: { properties: { be: { enum: ["rejected", "waiting", "broken"] } } },
  generate({ phase, namespace, settings, input }) {
    log("warn", "logged");
    console.log("printed", { as: ["json"] });
    if (settings.be === "rejected") throw rejected("No", "not this", "/settings/be");
    if (settings.be === "waiting") throw waiting("Later", "not yet");
    if (settings.be === "broken") input.gone.further();
    return {
      workflow: {
        steps: [{ run: { args: literalJson([phase, namespace, "{{ 1 }}"]), env: [{ name: "A", value: literal("{{") }] } }],
        concurrency: literalJson({ max: 1, deep: { group: "{{", on: true } }),
      },
      objects: [
        {
          key: "note",
          apiVersion: "v1",
          kind: "ConfigMap",
          body: { data: { name: objectName("note"), suspend: String(input.suspend), env: String(input.env !== undefined) } },
        },
      ],
      diagnostics: [info("Fine", "all is well"), warning("Odd", "less so", "/input/mode")],
    };
  },
});

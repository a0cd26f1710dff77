// A phase that says something in each run. Change it into yours.

import { literal, phase, rejected } from "./testbench.js";

export const generator = phase({
  name: "my-phase",
  version: "0.1.0",
  settingsSchema: {
    type: "object",
    properties: { message: { type: "string" } },
    additionalProperties: false,
  },

  generate({ settings, input }) {
    const { message = "Done." } = settings;
    if (message.trim() === "") {
      throw rejected("EmptyMessage", "the message is empty; write one, or leave it out", "/settings/message");
    }
    console.log("saying", message); // shown by `testbench plugin test` where a case differs

    // Text that somebody typed is never part of a script: it travels as a whole argument, and `literal` keeps Testkube
    // from evaluating `{{ … }}` in it.
    const text = `${input.experiment.name}: ${message}`;
    return { workflow: { steps: [{ run: { image: "busybox:1.37", command: ["echo"], args: [literal(text)] } }] } };
  },
});

// Tells a webhook how a run ended. The URL often holds a secret, so it comes from a variable of the Experiment
// (`spec.env`, which may read a Secret), and this plugin only ever knows the variable's name.

import { literal, phase, rejected, warning } from "../../sdk-javascript/testbench.js";

const OUTCOMES = { failed: "failed", passed: "passed", always: "is over" };

// The name of the variable and the message are variables themselves: nothing that a user typed is part of the script.
const SCRIPT = `url=$(printenv "$URL_VARIABLE") || { echo "notification: the variable $URL_VARIABLE is not set" >&2; exit 1; }
curl --silent --show-error --fail --max-time 30 --header 'Content-Type: application/json' --data "$BODY" "$url"`;

export const generator = phase({
  name: "notification",
  version: "0.1.0",
  inputs: ["env"],
  settingsSchema: {
    type: "object",
    properties: {
      urlVariable: {
        description: "The variable of spec.env that holds the URL; WEBHOOK_URL by default.",
        type: "string",
        pattern: "^[A-Za-z_][A-Za-z0-9_]*$",
      },
      when: { description: "Which runs to tell of; failed ones by default.", enum: Object.keys(OUTCOMES) },
      message: { description: "What to say instead.", type: "string", minLength: 1 },
      image: { description: "An image with a shell and curl.", type: "string", minLength: 1 },
    },
    additionalProperties: false,
  },

  generate({ settings, input }) {
    const { urlVariable = "WEBHOOK_URL", when = "failed", image = "curlimages/curl:8.16.0" } = settings;
    const variable = input.env.findLast(({ name }) => name === urlVariable);
    if (variable === undefined) {
      const advice = `spec.env has no variable ${urlVariable}; add one, from a Secret if nobody should read it, or name another`;
      throw rejected("NoUrl", advice, "/settings/urlVariable");
    }
    const { name, namespace } = input.experiment;
    const { message = `A run of Experiment ${namespace}/${name} ${OUTCOMES[when]}.` } = settings;
    // The number of the run is an expression of our own, which Testkube evaluates; the rest arrives as typed.
    const rest = literal(JSON.stringify({ experiment: `${namespace}/${name}`, text: message }).slice(1));
    const body = `{"run":{{ execution.number }},${rest}`;
    const diagnostics = variable.value?.startsWith("http://")
      ? [warning("Unencrypted", `the URL in ${urlVariable} is not https`, "/input/env")]
      : [];
    return {
      workflow: {
        steps: [
          {
            condition: when,
            run: {
              image: literal(image),
              env: [
                { name: "URL_VARIABLE", value: urlVariable },
                { name: "BODY", value: body },
              ],
              shell: SCRIPT,
            },
          },
        ],
      },
      diagnostics,
    };
  },
});

// Write a phase plugin of the testbench in JavaScript. testbench.d.ts says what each function takes and gives.
//
//     import { literal, phase, rejected } from "./testbench.js";
//
//     export const generator = phase({
//       name: "greet",
//       version: "0.1.0",
//       settingsSchema: { type: "object", properties: { greeting: { type: "string" } }, additionalProperties: false },
//       generate({ settings }) {
//         const { greeting = "Hello" } = settings;
//         if (greeting === "") throw rejected("Greeting", "the greeting is empty; leave it out", "/settings/greeting");
//         return { workflow: { steps: [{ run: { image: "busybox:1.37", args: ["echo", literal(greeting)] } }] } };
//       },
//     });

import { literal, log, objectName } from "testbench:phase/host@0.1.0";

export { literal, log, objectName };

const NO_SETTINGS = { type: "object", additionalProperties: false };

class Refusal extends Error {
  constructor(kind, diagnostic) {
    super(diagnostic.message);
    this.failure = { kind, diagnostics: [diagnostic], ext: null };
  }
}

export function phase({ name, version, settingsSchema = NO_SETTINGS, inputs = [], creates = [], generate }) {
  return {
    describe() {
      return {
        name,
        version,
        settingsSchema: JSON.stringify(settingsSchema),
        requires: [],
        inputs,
        creates,
        ext: null,
      };
    },
    generate(request) {
      const { phase, namespace } = request;
      const settings = JSON.parse(request.settings);
      const input = JSON.parse(request.input);
      const { workflow, objects = [], diagnostics = [] } = answer(generate, { phase, namespace, settings, input });
      return {
        workflow: workflow === undefined ? null : JSON.stringify(workflow),
        objects: objects.map(manifest),
        diagnostics,
        ext: null,
      };
    },
  };
}

// An Error that leaves the component is a trap; a failure is the plain record.
function answer(generate, request) {
  try {
    return generate(request);
  } catch (error) {
    throw error instanceof Refusal ? error.failure : error;
  }
}

function manifest({ key, apiVersion, kind, body }) {
  return { key, kind: { apiVersion, kind }, body: JSON.stringify(body) };
}

export function rejected(code, message, path = null) {
  return new Refusal("rejected", warning(code, message, path));
}

export function waiting(code, message, path = null) {
  return new Refusal("waiting", info(code, message, path));
}

export function warning(code, message, path = null) {
  return { severity: "warning", code, message, path };
}

export function info(code, message, path = null) {
  return { severity: "info", code, message, path };
}

export function literalJson(value) {
  if (typeof value === "string") return literal(value);
  if (Array.isArray(value)) return value.map(literalJson);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, literalJson(field)]));
}

// The engine brings no console of its own.
globalThis.console = Object.fromEntries(
  Object.entries({ debug: "debug", log: "info", info: "info", warn: "warn", error: "error" }).map(([method, level]) => [
    method,
    (...values) => log(level, values.map(shown).join(" ")),
  ]),
);

function shown(value) {
  if (typeof value === "string") return value;
  if (value instanceof Error) return `${value}\n${value.stack}`;
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return String(value); // a cycle, or a BigInt
  }
}

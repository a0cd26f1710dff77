/** A JSON value. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** What a phase is, and what it does. */
export interface Phase<Settings> {
  /** Lower-case letters, digits and `-`; at most 63. */
  name: string;
  /** A SemVer version. */
  version: string;
  /** JSON Schema (2020-12) of the settings; without one, there are none. Defaults of it are not filled in. */
  settingsSchema?: { [keyword: string]: Json };
  /** Keys of the input that are wanted beside the base. What is not named is not sent. */
  inputs?: InputKey[];
  /** Kinds that the phase may emit. */
  creates?: { apiVersion: string; kind: string }[];
  /**
   * The phase's piece: a pure function. It throws what `rejected` or `waiting` makes where there is none; anything else
   * that it throws is a defect, reported with its stack.
   */
  generate(request: Request<Settings>): Contribution;
}

/** One call. */
export interface Request<Settings> {
  /** The slot under which the host runs this plugin. */
  phase: string;
  /** Namespace of the generated objects. */
  namespace: string;
  /** What the Experiment says in `spec.phases[].settings`, valid against the schema. */
  settings: Settings;
  /** The Experiment and its surroundings. */
  input: Input;
}

/** The keys that a phase may ask for. */
export type InputKey =
  | "aiGateway"
  | "dataset"
  | "env"
  | "otel"
  | "scenarios"
  | "schedule"
  | "scoring"
  | "suspend"
  | "trigger";

/** An object with the URL under which it is reached. */
export interface Endpoint {
  name: string;
  namespace: string;
  url: string;
}

/** The base, and the keys that were asked for, as far as the Experiment has them. It grows: ignore what you do not know. */
export interface Input {
  experiment: { name: string; namespace: string; labels: { [key: string]: string } };
  agent: Endpoint;
  /** Where the scenarios come from: the Experiment itself, or a dataset that the run fetches. */
  mode: "inline" | "dataset";
  /** Name of the generated TestWorkflow. */
  workflowName: string;
  /** Name of the generated ConfigMap. */
  configMapName: string;
  aiGateway?: Endpoint;
  dataset?: { url: string } | { s3: { bucket: string; key: string } };
  env?: { name: string; value?: string; valueFrom?: Json }[];
  otel?: { value: string } | { configMapKeyRef: { name: string; key: string } };
  scenarios?: { name: string; steps: { [key: string]: Json }[] }[];
  schedule?: { cron: string; timezone?: string };
  scoring?: { llmAsAJudgeModel?: string; defaultThreshold?: number };
  suspend?: boolean;
  trigger?: { event?: string; concurrencyPolicy?: "Allow" | "Forbid" | "Replace" };
}

/** A phase's piece of the Experiment. */
export interface Contribution {
  /** Part of the `spec` of a TestWorkflow. Several steps become children of one that is named after the phase. */
  workflow?: { [key: string]: Json };
  /** Objects of its own; `objectName(key)` tells what each will be called. */
  objects?: { key: string; apiVersion: string; kind: string; body: { [key: string]: Json } }[];
  /** What the user should know. */
  diagnostics?: Diagnostic[];
}

/** Something that the user should know; `code` is CamelCase, `path` a JSON Pointer: `/settings/…` or `/input/…`. */
export interface Diagnostic {
  severity: "info" | "warning";
  code: string;
  message: string;
  path: string | null;
}

/** A phase as the component's export: `export const generator = phase({…})`. */
export function phase<Settings>(phase: Phase<Settings>): unknown;

/** To be thrown: the user has to change something. */
export function rejected(code: string, message: string, path?: string): Error;
/** To be thrown: something that may come by itself is not there yet. */
export function waiting(code: string, message: string, path?: string): Error;
/** Probably not what the user wants. */
export function warning(code: string, message: string, path?: string): Diagnostic;
/** Good to know. */
export function info(code: string, message: string, path?: string): Diagnostic;

/** `text` so that Testkube shows it as typed, instead of evaluating `{{ … }}`. All text that you were given goes through it. */
export function literal(text: string): string;
/** `value` with every text in it, at any depth, through `literal`. */
export function literalJson<T extends Json>(value: T): T;
/** The name of this phase's object `key`: one to twenty of a-z and 0-9. */
export function objectName(key: string): string;
/** A line for you, the author; `console` writes the same. */
export function log(level: "debug" | "info" | "warn" | "error", message: string): void;

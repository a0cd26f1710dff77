"""Write a phase plugin of the testbench in Python.

    from testbench import Request, literal, phase, rejected

    def generate(request: Request) -> dict:
        greeting = request.settings.get("greeting", "Hello")
        if not greeting:
            raise rejected("Greeting", "the greeting is empty; leave it out", "/settings/greeting")
        return {"workflow": {"steps": [{"run": {"image": "busybox:1.37", "args": ["echo", literal(greeting)]}}]}}

    Generator = phase(
        name="greet",
        version="0.1.0",
        settings_schema={"type": "object", "properties": {"greeting": {"type": "string"}}, "additionalProperties": False},
        generate=generate,
    )

The component is a snapshot of the interpreter after the imports at the top of the module: there is no file to import from
later. `print` and tracebacks reach you through `testbench plugin test`.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import host, types
from wit_world.imports.host import Level, literal, log, object_name

__all__ = [
    "Level",
    "Request",
    "info",
    "literal",
    "literal_json",
    "log",
    "object_name",
    "phase",
    "rejected",
    "waiting",
    "warning",
]

NO_SETTINGS = {"type": "object", "additionalProperties": False}


@dataclass(frozen=True)
class Request:
    """One call. docs/contract.md of the testbench describes every key of `input`."""

    phase: str
    """The slot under which the host runs this plugin."""
    namespace: str
    """Namespace of the generated objects."""
    settings: dict[str, Any]
    """What the Experiment says in `spec.phases[].settings`, valid against the schema; defaults are not filled in."""
    input: dict[str, Any]
    """The base (`experiment`, `agent`, `mode`, `workflowName`, `configMapName`), and the keys that were asked for."""


def phase(
    *,
    name: str,
    version: str,
    generate: Callable[[Request], dict[str, Any]],
    settings_schema: dict[str, Any] = NO_SETTINGS,
    inputs: Sequence[str] = (),
    creates: Sequence[tuple[str, str]] = (),
) -> type:
    """A phase as the component's export: `Generator = phase(…)` in the module that is built.

    `inputs` names the keys of the input that are wanted beside the base, `creates` the kinds that the phase may emit, as
    `("v1", "ConfigMap")`. `generate` is a pure function. It returns a dict with any of

    - `workflow`: part of the `spec` of a TestWorkflow,
    - `objects`: a list of `{"key", "apiVersion", "kind", "body"}`,
    - `diagnostics`: a list of what `warning` and `info` make,

    or raises what `rejected` or `waiting` makes. Any other exception is a defect, reported with its traceback.
    """

    class Generator(exports.Generator):
        def describe(self) -> types.Descriptor:
            kinds = [types.Gvk(api_version, kind) for api_version, kind in creates]
            return types.Descriptor(name, version, json.dumps(settings_schema), [], list(inputs), kinds, None)

        def generate(self, req: types.Request) -> types.Contribution:
            request = Request(req.phase, req.namespace, json.loads(req.settings), json.loads(req.input))
            answer = generate(request)
            workflow = answer.get("workflow")
            return types.Contribution(
                None if workflow is None else json.dumps(workflow),
                [_manifest(**entry) for entry in answer.get("objects", [])],
                answer.get("diagnostics", []),
                None,
            )

    return Generator


def _manifest(*, key: str, apiVersion: str, kind: str, body: dict[str, Any]) -> types.Manifest:
    return types.Manifest(key, types.Gvk(apiVersion, kind), json.dumps(body))


def rejected(code: str, message: str, path: str | None = None) -> Exception:
    """To be raised: the user has to change something. `path` is a JSON Pointer, `/settings/…` or `/input/…`."""
    return _failure(types.FailureKind.REJECTED, warning(code, message, path))


def waiting(code: str, message: str, path: str | None = None) -> Exception:
    """To be raised: something that may come by itself is not there yet."""
    return _failure(types.FailureKind.WAITING, info(code, message, path))


def _failure(kind: types.FailureKind, diagnostic: types.Diagnostic) -> Exception:
    return Err(types.Failure(kind, [diagnostic], None))


def warning(code: str, message: str, path: str | None = None) -> types.Diagnostic:
    """Probably not what the user wants; `code` is CamelCase, `message` says what to do."""
    return types.Diagnostic(types.Severity.WARNING, code, message, path)


def info(code: str, message: str, path: str | None = None) -> types.Diagnostic:
    """Good to know."""
    return types.Diagnostic(types.Severity.INFO, code, message, path)


def literal_json(value: Any) -> Any:
    """`value` with every text in it, at any depth, through `literal`; keys stay as they are."""
    if isinstance(value, str):
        return host.literal(value)
    if isinstance(value, list):
        return [literal_json(entry) for entry in value]
    if isinstance(value, dict):
        return {key: literal_json(field) for key, field in value.items()}
    return value

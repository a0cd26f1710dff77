"""Uses everything that the SDK has; `plugin.js` beside it does the same."""

from testbench import (
    Level,
    Request,
    info,
    literal,
    literal_json,
    log,
    object_name,
    phase,
    rejected,
    waiting,
    warning,
)


def generate(request: Request) -> dict:
    be = request.settings.get("be")
    log(Level.WARN, "logged")
    print("printed", '{"as":["json"]}')
    if be == "rejected":
        raise rejected("No", "not this", "/settings/be")
    if be == "waiting":
        raise waiting("Later", "not yet")
    if be == "broken":
        request.input["gone"]
    args = literal_json([request.phase, request.namespace, "{{ 1 }}"])
    data = {
        "name": object_name("note"),
        "suspend": str(request.input["suspend"]).lower(),
        "env": str("env" in request.input).lower(),
    }
    return {
        "workflow": {
            "steps": [{"run": {"args": args, "env": [{"name": "A", "value": literal("{{")}]}}],
            "concurrency": literal_json({"max": 1, "deep": {"group": "{{", "on": True}}),
        },
        "objects": [{"key": "note", "apiVersion": "v1", "kind": "ConfigMap", "body": {"data": data}}],
        "diagnostics": [info("Fine", "all is well"), warning("Odd", "less so", "/input/mode")],
    }


Generator = phase(
    name="exercise",
    version="1.2.3",
    inputs=["suspend"],
    creates=[("v1", "ConfigMap")],
    settings_schema={"properties": {"be": {"enum": ["rejected", "waiting", "broken"]}}},
    generate=generate,
)

"""Makes a run's colour mean something: a step that ends it as failed when a metric did not pass, naming the metric.

It belongs behind `visualize`, so that the report is there when the run fails.
"""

from pathlib import Path

from testbench import Request, info, literal, literal_json, phase

IMAGE = "ghcr.io/agentic-layer/testbench/testworkflows:0.9.0"
EVALUATED = "/data/experiments/evaluated_experiment.json"
# Read while the component is built: when it runs, there are no files.
SCRIPT = Path(__file__).with_name("check.py").read_text(encoding="utf-8")


def generate(request: Request) -> dict:
    settings = request.settings
    ignored = settings.get("ignore", [])
    # The image's entry point is Python. What a user typed reaches the script as whole arguments only.
    args = ["-c", literal(SCRIPT), EVALUATED, *literal_json(ignored)]
    step = {"run": {"image": literal(settings.get("image", IMAGE)), "args": args}}
    diagnostics = []
    if ignored:
        names = ", ".join(ignored)
        diagnostics.append(info("MayFail", f"a run passes whatever these metrics say: {names}", "/settings/ignore"))
    return {"workflow": {"steps": [step]}, "diagnostics": diagnostics}


Generator = phase(
    name="gate",
    version="0.1.0",
    settings_schema={
        "type": "object",
        "properties": {
            "image": {
                "description": "An image whose entry point is Python 3; that of the phases by default.",
                "type": "string",
                "minLength": 1,
            },
            "ignore": {
                "description": "Names of metrics that may fail.",
                "type": "array",
                "items": {"type": "string", "minLength": 1},
            },
        },
        "additionalProperties": False,
    },
    generate=generate,
)

"""A phase that says something in each run. Change it into yours."""

from testbench import Request, literal, phase, rejected


def generate(request: Request) -> dict:
    message = request.settings.get("message", "Done.")
    if not message.strip():
        raise rejected("EmptyMessage", "the message is empty; write one, or leave it out", "/settings/message")
    print("saying", message)  # shown by `testbench plugin test` where a case differs

    # Text that somebody typed is never part of a script: it travels as a whole argument, and `literal` keeps Testkube
    # from evaluating `{{ … }}` in it.
    text = f"{request.input['experiment']['name']}: {message}"
    return {"workflow": {"steps": [{"run": {"image": "busybox:1.37", "command": ["echo"], "args": [literal(text)]}}]}}


Generator = phase(
    name="my-phase",
    version="0.1.0",
    settings_schema={
        "type": "object",
        "properties": {"message": {"type": "string"}},
        "additionalProperties": False,
    },
    generate=generate,
)

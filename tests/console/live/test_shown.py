"""What a plan shows has passed the redactor and the mask for what looks like a secret."""

from __future__ import annotations

from console.hosts.command import Command
from console.live.masked import masked
from console.live.shown import plan_shown
from console.runs.api import DiffBlock, Plan, Step, TableBlock, TextBlock
from console.text.redact import Redactor
from console.text.secret import Secret

KNOWN, WRITTEN = "s3cr3t-of-the-keyring", "hunter2-Zx9"


def test_a_plan_shows_no_secret() -> None:
    echo = Command(argv=("echo", KNOWN))
    step = Step(id="one", title=f"use {KNOWN}", host="h", run=echo, check=echo, shown=f"with {KNOWN}")
    plan = Plan(
        action="x",
        environment="here",
        title="a plan",
        claims=(),
        hosts=("h",),
        steps=(step,),
        blocks=(
            DiffBlock(title="compose.yml", before=f"DB_PASSWORD: {WRITTEN}", after=f"DB_PASSWORD: {KNOWN}"),
            TextBlock(title="env", text=f"first\nAPI_TOKEN={WRITTEN}"),
            TableBlock(title="t", columns=("a",), rows=((KNOWN,),)),
        ),
    )
    shown = plan_shown(plan, "changes", at=0.0, params={})
    redacted = masked(shown, Redactor({"api": Secret(KNOWN)}).text)
    assert KNOWN in str(shown) and WRITTEN in str(plan)  # control
    assert KNOWN not in str(redacted) and WRITTEN not in str(redacted)
    assert "<redacted:api>" in redacted.steps[0].command and redacted.digest == plan.digest
    assert redacted.blocks[1].text == "first\nAPI_TOKEN=<redacted>"

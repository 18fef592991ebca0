"""Every Op of rotations, by its name in plans."""

from __future__ import annotations

from collections.abc import Mapping

from actions.rotate import github, giving, jwt, labels, looks, postgres, reaching, ssh_key
from console.runs.api import OpHandler

LOOKS: Mapping[str, looks.Look] = {
    "command": looks.Look(looks.by_command),
    "postgres": postgres.LOOK,
    "jwt": jwt.LOOK,
    "ssh": ssh_key.LOOK,
    "grafana": reaching.GRAFANA,
    "webhook": reaching.WEBHOOK,
}
_LOOKING = looks.ops(LOOKS)

OPS: Mapping[str, OpHandler] = {
    **labels.OPS,
    **_LOOKING,
    **giving.ops(_LOOKING["rotate.accepts@1"]),
    **postgres.OPS,
    **ssh_key.OPS,
    **reaching.OPS,
    **github.OPS,
}

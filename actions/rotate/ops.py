"""Every Op of rotations, by its name in plans."""

from __future__ import annotations

from collections.abc import Mapping

from actions.rotate import giving, jwt, labels, looks, postgres
from console.runs.api import OpHandler

LOOKS: Mapping[str, looks.Look] = {
    "command": looks.Look(looks.by_command),
    "postgres": postgres.LOOK,
    "jwt": jwt.LOOK,
}

_LOOKING = looks.ops(LOOKS)
OPS: Mapping[str, OpHandler] = {**labels.OPS, **_LOOKING, **giving.ops(_LOOKING["rotate.accepts@1"]), **postgres.OPS}

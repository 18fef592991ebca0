"""Every Op of rotations, by its name in plans."""

from __future__ import annotations

from collections.abc import Mapping

from actions.rotate import giving, labels, looks, postgres
from console.runs.api import OpHandler

LOOKS: Mapping[str, looks.Look] = {
    "command": looks.Look(looks.by_command),
    "postgres": postgres.LOOK,
}

OPS: Mapping[str, OpHandler] = {**labels.OPS, **looks.ops(LOOKS), **giving.OPS, **postgres.OPS}

"""Effects in words, for plans, journals and differences. Pure."""

from __future__ import annotations

import json

from console.hosts.command import Command
from console.runs.api import Op


def effect_text(effect: Command | Op | None) -> str:
    """What an effect is, as a person would type it; for an Op its name and arguments."""
    if effect is None:
        return ""
    if isinstance(effect, Command):
        return effect.shown()
    arguments = json.dumps(effect.args, ensure_ascii=False, sort_keys=True)
    return f"{effect.name} {arguments if len(arguments) <= 300 else arguments[:297] + '…'}"

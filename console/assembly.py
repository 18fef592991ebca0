"""Puts the parts together that console and runner both need: actions, handlers of their Ops, the redactor."""

from __future__ import annotations

from collections.abc import Mapping

from console.plugins import load_all
from console.runs.api import OpHandler
from console.runs.handlers import HANDLERS


def op_handlers() -> Mapping[str, OpHandler]:
    """Every handler that a stored plan may name: the common ones and those of all actions that can be imported."""
    handlers: dict[str, OpHandler] = dict(HANDLERS)
    for action in load_all().actions.values():
        handlers.update(action.ops)
    return handlers

"""Which value is which while a rotation goes on: the new and the old one, by the labels that they have just then."""

from __future__ import annotations

from typing import NamedTuple

from console.runs.api import InputTemplate, InputText, Label, TemplateSecret
from console.text.secret import labelled


class Roles(NamedTuple):
    """The labels of the new and of the old value."""

    new: Label
    old: Label


BEFORE = Roles("pending", "current")
"""From the moment at which the new value is stored."""
AFTER = Roles("current", "previous")
"""Once the new value is used everywhere and the keyring says so."""


def made(name: str) -> tuple[str, ...]:
    """Labelled values that a rotation stores itself, as `Plan.makes` wants them."""
    return tuple(labelled(name, label) for label in ("pending", "previous", "retired"))


def line_of(name: str, *labels: Label) -> InputTemplate:
    """Standard input: the values of these labels, each on a line of its own."""
    parts: list[InputText | TemplateSecret] = []
    for label in labels:
        parts += [TemplateSecret(name=name, label=label), InputText(text="\n")]
    return InputTemplate(parts=tuple(parts))

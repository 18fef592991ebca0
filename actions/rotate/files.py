"""Environment files that hold the value: written for each phase of a rotation, from the profile's own templates. Pure.

A template says which value stands where by its label (`{secret: jwt}`, `{secret: jwt, label: previous, missing:
empty}`). A phase says which value is meant by each label just then; between the phases it is always the keyring as it
is, so that `configure`, and whatever else writes the files, agrees with it.
"""

from __future__ import annotations

from collections.abc import Mapping

from console.runs.api import InputText, TemplateSecret
from console.stacks.envfiles import FileTemplate
from console.text.secret import Label

Phase = Mapping[Label, Label | None]
"""Label in a template to the label of the value that stands there; None: nothing stands there."""

BEFORE_ALL: Phase = {"current": "current", "previous": None}
"""As before the rotation. The keyring: pending, current."""
VERIFY: Phase = {"current": "current", "previous": "pending"}
"""The new value is verified with; the old one is used."""
SIGN: Phase = {"current": "pending", "previous": "current"}
"""The new value is used; the old one is verified with."""
ONLY_NEW: Phase = {"current": "pending", "previous": None}
"""The new value alone."""
BOTH: Phase = {"current": "current", "previous": "previous"}
"""The same as SIGN, once the keyring has moved its labels on."""
WITHOUT_OLD: Phase = {"current": "current", "previous": None}
"""The same as ONLY_NEW, once the keyring has moved its labels on."""


def as_in(file: FileTemplate, name: str, phase: Phase) -> FileTemplate:
    """The file with the values that a phase means by the labels of one credential."""

    def part(one: object) -> object:
        if not isinstance(one, TemplateSecret) or one.name != name or one.label not in phase:
            return one
        label = phase[one.label]
        return InputText(text="") if label is None else one.model_copy(update={"label": label})

    lines = tuple(line.model_copy(update={"parts": tuple(part(one) for one in line.parts)}) for line in file.lines)
    return file.model_copy(update={"lines": lines})


def labels_in(file: FileTemplate, name: str) -> frozenset[Label]:
    """Labels by which a template names a credential."""
    return frozenset(one.label for line in file.lines for one in line.secrets if one.name == name)


def others_in(file: FileTemplate, name: str) -> tuple[str, ...]:
    """What else has to be in the keyring to write it: `db`, `mail#previous`."""
    secrets = (one for line in file.lines for one in line.secrets if one.name != name)
    words = (one.credential for one in secrets if one.missing == "refused")
    return tuple(dict.fromkeys(words))

"""Which run a word of the command line means: an id, or a part of one that is of a single run. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from console.answers import AskFailed

WHOLE = re.compile(r"[0-9]{8}T[0-9]{6}-.+-[0-9a-f]{6}")
"""An id as runs are given them: nothing is looked through for it."""
SHORTEST, TOLD = 4, 5
"""So much of an id names its run; and so many are told of the runs that a word is of."""


def named(word: str, here: Callable[[], Sequence[str]], elsewhere: Callable[[], Iterable[str]] | None = None) -> str:
    """The run whose id it is, or ends with it; else the word as it is.

    `here`, `elsewhere`: the ids that are known here, and beyond, which is asked only where none of the first is meant.
    Without the latter something is decided, and a beginning, which is a date, is no name. Raises AskFailed where it is
    of several.
    """
    if len(word) < SHORTEST or WHOLE.fullmatch(word):
        return word
    found = _meant(word, here(), begins=elsewhere is not None)
    if not found and elsewhere is not None:
        found = _meant(word, elsewhere(), begins=True)
    if len(found) > 1:
        more = f" and {len(found) - TOLD} more" if len(found) > TOLD else ""
        raise AskFailed(f"{word} is of {len(found)} runs: {', '.join(found[:TOLD])}{more}.", ("give more of its id",))
    return found[0] if found else word


def _meant(word: str, runs: Iterable[str], *, begins: bool) -> list[str]:
    every = list(runs)
    if word in every:
        return [word]
    return [run for run in every if run.endswith(word) or (begins and run.startswith(word))]

"""Plain values without secrets, on their way to a screen, to the command line or into the store."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

T = TypeVar("T")
Redact = Callable[[str], str]

WORDS_OF_OURS = frozenset(
    {
        *("id", "name", "environment", "host", "run", "action", "state", "tone", "kind", "digest", "colour"),
        *("danger", "direction", "certainty", "default", "token", "points", "params", "can", "needs"),
    }
)
"""Fields of named tuples that stay as they are: keys that screens ask with, words of a fixed set, figures.

A secret that is an ordinary word (`production`) would take the environment of that name away otherwise.
"""


def masked(value: T, redact: Redact) -> T:
    """The same value with every text in it redacted, at any depth of tuples, lists, mappings and named tuples."""
    made: Any = value
    if isinstance(value, str):
        made = redact(value)
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        fields: tuple[str, ...] = value._fields
        made = type(value)(
            *(
                part if field in WORDS_OF_OURS else masked(part, redact)
                for field, part in zip(fields, value, strict=True)
            )
        )
    elif isinstance(value, tuple | list):
        made = type(value)(masked(part, redact) for part in value)
    elif isinstance(value, Mapping):
        made = {key: masked(part, redact) for key, part in value.items()}
    return made  # type: ignore[no-any-return] # of the type that came in

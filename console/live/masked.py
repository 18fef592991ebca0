"""Plain values without secrets, on their way to a screen, to the command line or into the store."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from console.text.redact import Redactor

T = TypeVar("T")
H = TypeVar("H", bound=Hashable)
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


class MaskedOnce(Generic[H]):
    """Values that come again and again, most of them the same: each is masked once, and anew when a secret was learned.

    For one thread.
    """

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._values = 0
        self._made: dict[H, H] = {}

    def all(self, values: Iterable[H]) -> tuple[H, ...]:
        """The same values without secrets."""
        known = self._redactor.known_values
        before = self._made if known == self._values else {}
        self._values = known
        self._made = {one: before.get(one) or masked(one, self._redactor.text) for one in values}
        return tuple(self._made.values())

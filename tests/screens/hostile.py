"""The fixed session with a hostile marker in every text that screens are given, as if no door below were there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from console.answers import Happening, KeyringShown
from console.live.masked import masked
from console.session import Listener
from tests.screens.fixed import FixedSession

MARKUP = "[@click=app.quit]q[/][/x]"
MARKER = f"{MARKUP}\x1b]0;own\x07\x1b[4711m\x9b2J\x00\x7f\r\u202e\u200b\u3164\ufe00\U000e0041\ud800 "
FORBIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff\ud800-\udfff]"
)
"""What may never be drawn: written out here and not taken from the code."""


def poisoned(value: Any) -> Any:
    """The value with the marker before every text in it, but for keys and words of a fixed set."""
    return masked(value, lambda text: f"{MARKER}{text}")


class _Poisoning:
    def __init__(self, listener: Listener) -> None:
        self._listener = listener

    def __getattr__(self, name: str) -> Any:
        tell = getattr(self._listener, name)

        def told(*words: Any) -> None:
            if name == "logs":
                tell(words[0], [one._replace(source=MARKER, text=f"{MARKER}{one.text}") for one in words[1]])
            elif name == "happened":
                tell(*words)
            else:
                tell(*(poisoned(word) if not isinstance(word, str) else word for word in words))

        return told


class HostileSession(FixedSession):
    """Everything that it answers is poisoned."""

    def last_known(self) -> Any:
        return poisoned(super().last_known())

    def tell_all(self, listener: Listener) -> None:
        super().tell_all(_Poisoning(listener))  # type: ignore[arg-type] # a listener by its methods
        raw = Happening("", "bad", self.clock)
        raw.text = f"{MARKER}happened"
        listener.happened(raw)

    def keyring(self) -> KeyringShown:
        return KeyringShown("locked", MARKER, MARKER)

    def actions(self, environment: str) -> Any:
        return poisoned(super().actions(environment))

    def form(self, action: str, environment: str) -> Any:
        return tuple(
            one._replace(default=f"{MARKER}{one.default}") for one in poisoned(super().form(action, environment))
        )

    def plan(self, action: str, environment: str, values: Mapping[str, str]) -> Any:
        return poisoned(super().plan(action, environment, values))

    def runs(self) -> Any:
        return poisoned(super().runs())

    def run(self, id: str) -> Any:  # noqa: A002
        return poisoned(super().run(id))

    def output(self, id: str, offset: int, step: str | None) -> Iterator[Any]:  # noqa: A002
        for piece in super().output(id, offset, step):
            yield piece._replace(text=f"{MARKER}{piece.text}")

    def credentials(self) -> Any:
        return tuple(one._replace(state=one.state) for one in poisoned(super().credentials()))

    def releases(self, environment: str) -> Any:
        return poisoned(super().releases(environment))

    def explain(self, environment: str, kind: str, name: str) -> str:
        return f"{MARKER}{super().explain(environment, kind, name)}"

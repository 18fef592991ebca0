"""Every key that works here, made from the table of commands: never written by hand, so never wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from console.commands import LABELS, ConsoleCommand
from screens.base import Deck
from screens.commanded import Commanded
from screens.frame import keys_that_work
from screens.page import Page, hanging, text

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.content import Content

    from screens.known import Bridge

HEADS = {
    "app": "Everywhere",
    "dashboard": "Dashboard",
    "environments": "Environments",
    "checklist": "Checklist",
    "metrics": "Metrics",
    "logs": "Logs",
    "run": "Run",
    "runs": "Runs",
    "plan": "Plan",
    "releases": "Releases",
    "credentials": "Credentials",
}


MOVING = (
    (("up", "down", "k", "j"), "One line further; a page scrolls."),
    (("pageup", "pagedown"), "One page further."),
    (("home", "end"), "To the first line, to the last; the end of a log follows it."),
    (("left", "right"), "In a log: further to either side of long lines."),
)
"""What moves in every list, page and log, and is no command: keys, and what they do."""


class HelpScreen(Deck[None]):
    """The commands of whoever would have taken a key, the nearest first."""

    AUTO_FOCUS = "#page"
    ONLY = frozenset({"back", "quit", "screenshot", "mouse"})
    TITLE_WORDS = "help"

    def __init__(
        self, bridge: Bridge, environment: str, takers: tuple[Commanded, ...], *, typing: bool = False
    ) -> None:
        super().__init__(bridge, environment)
        self.takers_here = takers
        self.typing = typing
        """Whether it was asked for from a field that takes characters."""

    def do_help(self) -> None:
        """It is open already: a key that is held down opens no second one on it."""

    def body(self) -> ComposeResult:
        yield Page(id="page")

    def draw(self) -> None:
        made: list[Content] = []
        page = self.query_one("#page", Page)
        armed = self.bridge.armed(self.environment)
        for scope, commands in self._by_scope().items():
            made += [text((HEADS.get(scope, scope), "head"))]
            for one in commands:
                made += self._line(one, armed, page.room)
            made.append(text(""))
        if self.typing:
            made.append(text(("Every other key is typed into the field.", "dim")))
        else:
            made.append(text(("Moving", "head")))
            for keys, words in MOVING:
                made += hanging([(f"  {' '.join(keys):<37} ", "key")], words, "dim", page.room)
            made.append(text(""))
            marked = (" change something: they wait until A has armed.", "dim")
            made.append(text(("Commands marked ", "dim"), ("!", "warn"), marked))
        page.show(made)

    def _by_scope(self) -> dict[str, list[ConsoleCommand]]:
        found: dict[str, list[ConsoleCommand]] = {}
        for taker in self.takers_here:
            for one in taker.commands():
                if self.typing and not keys_that_work(one, typing=True):
                    continue
                known = found.setdefault(one.scope, [])
                if one not in known:
                    known.append(one)
        return dict(sorted(found.items(), key=lambda one: one[0] == "app"))

    def on_resize(self) -> None:
        """Break the lines anew."""
        self.draw()

    def _line(self, one: ConsoleCommand, armed: bool, width: int) -> Iterator[Content]:
        keys = " ".join(LABELS.get(key, key) for key in keys_that_work(one, self.typing)) or f":{one.id}"
        waits = one.danger == "writes"
        lead = [
            (f"  {keys:<11}", "key"),
            ("! " if waits else "  ", "warn"),
            (f"{one.title:<23} ", "dim" if waits and not armed else "plain"),
        ]
        return hanging(lead, one.help, "dim", width)

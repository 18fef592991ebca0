"""`:` and ctrl+p: find a command by a few letters. A list of our own over the one table, imported when it is opened."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from textual.strip import Strip

from console.commands import ConsoleCommand
from screens.commanded import Commanded
from screens.entry import Entry
from screens.sheet import Sheet
from screens.widgets.table import Cell, Column, Row, RowTable

if TYPE_CHECKING:
    from textual import events
    from textual.app import ComposeResult

    from console.session import ActionShown, AskFailed
    from screens.known import Bridge

LOOSE = 3
"""Only the letters are there, in order: shown where nothing fits better."""
COLUMNS = (Column("", 26), Column("", 20, 1, grow=1), Column("", 8, right=True))


class Offered(RowTable):
    """A list whose cursor shows while one types elsewhere."""

    def row_strip(self, row: Row, width: int, on_cursor: bool) -> Strip:
        return super().row_strip(row, width, row.key == self.cursor_key)


def score(wanted: str, text: str) -> int | None:
    """How well the letters fit, smaller is better: the start, a word, a piece, the letters in order; None: not."""
    wanted, text = wanted.casefold().strip(), text.casefold()
    if not wanted:
        return 0
    place = text.find(wanted)
    if place == 0:
        return 0
    if place > 0:
        return 1 if text[place - 1] in " -_" else 2
    letters = iter(text)
    return LOOSE if all(letter in letters for letter in wanted if letter != " ") else None


class PaletteScreen(Sheet[str]):
    """What was chosen: the id of a command, `action NAME` or `environment NAME`; None if it was left."""

    AUTO_FOCUS = "#typed"
    GIVES = "#found"
    LEAST = 3
    SCOPED_CSS = False
    DEFAULT_CSS = """
    #found { height: 14; }
    """

    def __init__(self, bridge: Bridge, environment: str, takers: tuple[Commanded, ...]) -> None:
        super().__init__(bridge, environment)
        self.armed = bridge.armed(environment)
        self.entries: list[tuple[str, str, str, str, bool]] = []
        seen: set[str] = set()
        for taker in takers:
            for one in taker.commands():
                if one.id not in seen and one.id != "palette" and taker.check_action("command", (one.id,)) is not False:
                    seen.add(one.id)
                    self.entries.append(self._entry(one))
        for view in bridge.known.all():
            if view.name != environment:
                words = f"Show {view.title or view.name}."
                self.entries.append((f"environment {view.name}", view.name, words, "", False))

    @staticmethod
    def _entry(one: ConsoleCommand) -> tuple[str, str, str, str, bool]:
        return one.id, one.title, one.help, one.key_label, one.danger == "writes"

    def body(self) -> ComposeResult:
        yield Entry(placeholder="a few letters of a command", id="typed")
        yield Offered(COLUMNS, header=False, symbols=self.bridge.symbols, empty="no such command", id="found")

    def on_mount(self) -> None:
        super().on_mount()
        question = partial(self.bridge.session.actions, self.environment)
        self.ask("actions", question, self._add_actions, self._no_actions)

    def _add_actions(self, actions: tuple[ActionShown, ...]) -> None:
        there = {word for word, *_ in self.entries}
        self.entries += [
            (f"action {one.name}", one.title, one.help, "", True) for one in actions if one.name not in there
        ]
        self.draw()

    def _no_actions(self, error: AskFailed) -> None:
        """The commands of the console are still there."""

    def draw(self) -> None:
        wanted = self.query_one("#typed", Entry).value
        found = []
        for place, entry in enumerate(self.entries):
            fits = [one for one in (score(wanted, entry[1]), score(wanted, entry[0])) if one is not None]
            if fits:
                found.append((min(fits), place, entry))
        if any(fits < LOOSE for fits, _, _ in found):
            found = [one for one in found if one[0] < LOOSE]
        table = self.query_one("#found", RowTable)
        table.show([self._row(entry) for _, _, entry in sorted(found, key=lambda one: one[:2])])

    def _row(self, entry: tuple[str, str, str, str, bool]) -> Row:
        word, title, help_, key, writes = entry
        quiet = writes and not self.armed
        name = f"{title} !" if writes else title
        return Row(word, (Cell(name, "dim" if quiet else "strong"), Cell(help_, "dim"), Cell(key, "key")))

    def on_input_changed(self, event: Entry.Changed) -> None:
        """Look again with every letter, for the one that fits best; what is only drawn anew moves no cursor."""
        event.stop()
        self.draw()
        table = self.query_one("#found", RowTable)
        if table.rows:
            table.select(table.rows[0].key)

    def on_input_submitted(self, event: Entry.Submitted) -> None:
        """Take the chosen one."""
        event.stop()
        self.dismiss(self.query_one("#found", RowTable).cursor_key)

    def on_row_list_opened(self, event: RowTable.Opened) -> None:
        """A click on the chosen one takes it too."""
        event.stop()
        self.dismiss(event.key)

    def on_key(self, event: events.Key) -> None:
        """Arrows move in the list while one types."""
        steps = {"down": 1, "up": -1, "pagedown": 8, "pageup": -8}
        if event.key in steps:
            event.stop()
            event.prevent_default()
            self.query_one("#found", RowTable).move(steps[event.key])
        else:
            super().on_key(event)

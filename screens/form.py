"""The parameters of an action, and what is suggested for each; Enter on the last one plans. Nothing is changed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from textual.containers import Vertical
from textual.strip import Strip
from textual.widget import Widget

from console.session import FieldShown
from screens.base import Deck
from screens.entry import Entry
from screens.page import Words
from screens.widgets.table import Cell, Column, Row, RowTable
from screens.words import moment

if TYPE_CHECKING:
    from textual import events
    from textual.app import ComposeResult

    from console.session import AskFailed, PlanShown
    from screens.known import Bridge
    from screens.plan import PlanScreen

MOVES = (("up down", "key"), (" choose   ", "dim"), ("enter", "key"))
SUGGESTED = (Column("", 16, grow=1), Column("", 24, grow=2))
FLAG = (("yes", ""), ("no", ""))


class Suggested(RowTable):
    """Values for the field that is typed in; only the one that stands in the field is marked."""

    taken: str | None = None

    def row_strip(self, row: Row, width: int, on_cursor: bool) -> Strip:
        return super().row_strip(row, width, row.key == self.taken)


class FormScreen(Deck[None]):
    """One field below the other; the list at the bottom suggests values for the field with the focus."""

    AUTO_FOCUS = ""
    ONLY = frozenset({"back", "help", "arm", "quit", "screenshot", "keyring"})
    SCOPED_CSS = False
    DEFAULT_CSS = """
    #about, #state, #help { height: auto; padding: 0 1; }
    #state { margin-bottom: 1; }
    #fields { height: auto; max-height: 60%; padding: 0 1; overflow-y: auto; }
    #fields Words { height: 1; }
    #fields Entry { margin-bottom: 1; }
    #suggested { height: 1fr; min-height: 3; }
    #suggested.none { margin: 0 1; }
    """

    def __init__(self, bridge: Bridge, environment: str, action: str, values: Mapping[str, str]) -> None:
        super().__init__(bridge, environment)
        self.action, self.given = action, dict(values)
        self.fields: tuple[FieldShown, ...] = ()
        self.at = ""
        self.planned: PlanScreen | None = None
        self._ahead: str | None = ""
        """What was typed before the first field was there; None once it is, or cannot be."""

    def words(self) -> str:
        return self.action

    def body(self) -> ComposeResult:
        yield Words((f"{self.action}", "head"), (f"   in {self.environment}", "dim"), id="about")
        yield Words(id="state")
        yield Vertical(id="fields")
        yield Words(id="help")
        yield Suggested(SUGGESTED, header=False, symbols=self.bridge.symbols, empty="", id="suggested")

    def on_mount(self) -> None:
        super().on_mount()
        self._say((f"Reading what can be chosen, since {self._now()}.", "dim"))
        question = partial(self.bridge.session.form, self.action, self.environment)
        self.ask("form", question, self._show, self._failed)

    def _now(self) -> str:
        now = self.bridge.clock()
        return moment(now, now)

    def _say(self, *pieces: tuple[str, str]) -> None:
        self.query_one("#state", Words).say(*pieces)

    def _failed(self, error: AskFailed) -> None:
        self._ahead = None
        self._say((" ".join((str(error), *error.ways_out)), "bad"))

    def _show(self, fields: tuple[FieldShown, ...]) -> None:
        self.fields = fields
        self._say(*MOVES, (" next, and on the last field plan   ", "dim"), ("esc", "key"), (" leave", "dim"))
        rows: list[Widget] = []
        for one in fields:
            rows.append(Words(f"{one.title}{' *' if one.required else ''}", classes="label"))
            rows.append(Entry(self.given.get(one.name, one.default), id=f"field-{one.name}"))
        holder = self.query_one("#fields", Vertical)
        holder.mount_all(rows)
        if fields:
            self.call_after_refresh(self._first)
        else:
            self._ahead = None
            self._plan()

    def _first(self) -> None:
        empty = [one for one in self.fields if one.required and not self._entry(one.name).value]
        self._entry((empty or list(self.fields))[0].name).focus()

    def _take_ahead(self, entry: Entry) -> None:
        """What was typed before this field had the focus comes first; the focus comes later than it is asked for."""
        typed, self._ahead = (self._ahead or "").partition("\r")[0], None
        if typed:
            field = self._field()
            since = "" if field is None or entry.value == self.given.get(field.name, field.default) else entry.value
            entry.value = typed + since
            entry.cursor_position = len(entry.value)

    def _entry(self, name: str) -> Entry:
        return self.query_one(f"#field-{name}", Entry)

    # -- suggestions ---------------------------------------------------------------------------------------------

    def on_descendant_focus(self) -> None:
        super().on_descendant_focus()
        focused = self.focused
        if isinstance(focused, Entry) and focused.id is not None:
            self.at = focused.id.removeprefix("field-")
            self._take_ahead(focused)
            self._suggest()

    def on_input_changed(self, event: Entry.Changed) -> None:
        """Suggest what fits what is typed."""
        event.stop()
        if event.input.id == f"field-{self.at}":
            self._suggest()

    def _field(self) -> FieldShown | None:
        return next((one for one in self.fields if one.name == self.at), None)

    def _suggest(self) -> None:
        field = self._field()
        if field is None:
            return
        self.query_one("#help", Words).say((field.help, "dim"))
        typed = self._entry(field.name).value.strip().casefold()
        choices = field.choices or (FLAG if field.kind == "flag" else ())
        exact = any(value.casefold() == typed for value, _ in choices)
        found = [one for one in choices if exact or not typed or typed in " ".join(one).casefold()]
        table = self.query_one("#suggested", Suggested)
        table.empty = "nothing that is known begins so: it is taken as typed" if choices else "nothing to suggest here"
        table.taken = next((value for value, _ in choices if value.casefold() == typed), None)
        table.show([Row(value, (Cell(value, "strong"), Cell(what, "dim"))) for value, what in found])
        table.set_class(not found, "none")
        if table.taken is not None:
            table.select(table.taken)
        elif table.rows:
            table.select(table.rows[0].key)

    def on_key(self, event: events.Key) -> None:
        """Arrows choose a suggestion while the field keeps the focus.

        What is typed before the first field is there is kept for it: `1.5.0-rc` must not go back at its hyphen and open
        a shell with what follows.
        """
        if self._ahead is not None and (event.is_printable or event.key in ("enter", "backspace")):
            event.stop()
            event.prevent_default()
            self._ahead = self._ahead[:-1] if event.key == "backspace" else self._ahead + (event.character or "")
            return
        table = self.query_one("#suggested", RowTable)
        if event.key in ("down", "up") and table.rows and (field := self._field()) is not None:
            event.stop()
            event.prevent_default()
            entry = self._entry(field.name)
            if entry.value.strip() == table.cursor_key:
                table.move(1 if event.key == "down" else -1)
            entry.value = table.cursor_key or ""
            entry.cursor_position = len(entry.value)
        else:
            super().on_key(event)

    def on_row_list_moved(self, event: RowTable.Moved) -> None:
        """A click on a suggestion takes it."""
        event.stop()
        field = self._field()
        if field is not None and event.key is not None and self.focused is event.rows:
            self._entry(field.name).value = event.key
            self._entry(field.name).focus()

    # -- planning ------------------------------------------------------------------------------------------------

    def on_input_submitted(self, event: Entry.Submitted) -> None:
        """The next field; after the last one the plan."""
        event.stop()
        names = [one.name for one in self.fields]
        place = names.index(self.at)
        if place + 1 < len(names):
            self._entry(names[place + 1]).focus()
        else:
            self._plan()

    def _plan(self) -> None:
        values = {one.name: self._entry(one.name).value.strip() for one in self.fields}
        missing = [one for one in self.fields if one.required and not values[one.name]]
        if missing:
            self._say((f"{missing[0].title} is needed.", "warn"))
            self._entry(missing[0].name).focus()
            return
        given = {name: value for name, value in values.items() if value}
        self._say((f"Planning: reading {self.environment}, since {self._now()}. Nothing is changed.", "accent"))
        question = partial(self.bridge.session.plan, self.action, self.environment, given)
        self.ask("plan", question, self._planned, self._failed)

    def _planned(self, plan: PlanShown) -> None:
        from screens.plan import PlanScreen

        self._say(*MOVES, (" plan again   ", "dim"), ("esc", "key"), (" leave", "dim"))
        self.planned = PlanScreen(self.bridge, plan)
        self.app.push_screen(self.planned)

    def on_screen_resume(self) -> None:
        """Back from the plan; back from a run that was started there, there is nothing left to ask."""
        super().on_screen_resume()
        if self.planned is not None and self.planned.begun:
            self.dismiss()

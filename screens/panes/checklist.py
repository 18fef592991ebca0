"""The checklist of an environment, with real counts: what contradicts its check comes before what is open."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from console.watch.views import ItemView
from screens.panes.pane import Pane
from screens.theme import BRAILLE, Symbols, Tone
from screens.widgets.table import Cell, Column, Row, RowTable
from screens.words import moment

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from console.watch.views import ChecklistView
    from screens.known import News

COLUMNS = (
    Column("", 1),
    Column("item", 22, grow=3),
    Column("evidence", 16, 3, grow=2),
    Column("state", 12, 2),
    Column("group", 8, 4, grow=1),
)
WRONG = ("conflict", "failed")
NONE = "no checklist for this environment"
UNKNOWN = "not looked at yet"


def item_mark(state: str, symbols: Symbols) -> tuple[str, str, Tone]:
    """Glyph, word and tone of an item's state. A tick of the document alone is not green: nobody has checked it."""
    known: dict[str, tuple[str, str, Tone]] = {
        "open": (symbols.waiting, "open", "dim"),
        "claimed": (symbols.ok, "claimed", "dim"),
        "ticked": (symbols.ok, "ticked", "plain"),
        "passed": (symbols.ok, "passed", "ok"),
        "failed": (symbols.bad, "failed", "bad"),
        "conflict": (symbols.bad, "contradicted", "bad"),
        "waived": (symbols.skipped, "waived", "dim"),
    }
    return known.get(state, (symbols.unknown, "unknown", "unknown"))


class ChecklistPane(Pane):
    """Tick, verify, open the evidence."""

    TITLE = "Checklist"
    SCOPES = ("app", "checklist")

    def __init__(self, id: str, symbols: Symbols = BRAILLE) -> None:  # noqa: A002 - Textual's word
        super().__init__(id, symbols)
        self.table = RowTable(COLUMNS, header=False, symbols=symbols, empty=NONE)
        self.items: dict[str, ItemView] = {}
        self.live_of = ""
        """The environment of which live rows were drawn last: the cursor begins at the top, where what is wrong is."""

    def body(self) -> ComposeResult:
        yield self.table

    def news(self, news: News) -> None:
        if self.environment in news.checklists or news.system is not None:
            self.draw()

    def draw(self) -> None:
        view = self.known.checklists.get(self.environment)
        if view is None or not view.items:
            self.head.show([])
            none = NONE if view is not None else UNKNOWN
            self.table.empty = view.problem if view is not None and view.problem else none
            self.table.show([])
            return
        wrong = 0 if view.stale else sum(one.state in WRONG for one in view.items)
        said: list[tuple[str, Any]] = [(f"{view.done} of {len(view.items)}", "unknown" if view.stale else "strong")]
        if wrong:
            said.append((f"{self.symbols.bad} {wrong}", "bad"))
        if view.problem:
            said.append((view.problem, "unknown"))
        at = view.looked or view.at
        self.head.show(said, self.seen(at, view.stale) if at or view.stale else ("", "dim"))
        self.items = {one.id: one for one in view.items}
        rank = {"conflict": 0, "failed": 0, "unknown": 1, "open": 2}
        ordered = sorted(view.items, key=lambda one: rank.get(one.state, 3)) if not view.stale else view.items
        self.table.show([self._row(one, view.stale) for one in ordered])
        live = "" if view.stale else self.environment
        if live and live != self.live_of:
            self.table.select(ordered[0].id)
        self.live_of = live

    def _row(self, one: ItemView, stale: bool) -> Row:
        glyph, word, tone = item_mark(one.state, self.symbols)
        quiet: Tone = "unknown" if stale else "dim" if one.done else "plain"
        evidence = one.evidence or (f"by {one.by}" if one.by else "")
        return Row(
            one.id,
            (
                Cell(self.symbols.unknown if stale and one.state != "open" else glyph, "unknown" if stale else tone),
                Cell(("  " * one.depth) + one.title, quiet),
                Cell(evidence, "dim"),
                Cell(word, "unknown" if stale else tone),
                Cell(one.group, "dim"),
            ),
        )

    # -- commands ------------------------------------------------------------------------------------------------

    def on_row_list_opened(self) -> None:
        self.do_open()

    def do_open(self) -> None:
        """Everything that is known of the chosen item."""
        from screens.detail import TextScreen

        if (key := self.table.cursor_key) is None:
            return
        item, now = self.items[key], self.deck.bridge.clock()
        by_hand = "by a person: space in the list ticks it"
        checked = f"by the check {item.probe}: v in the list asks it now" if item.probe else by_hand
        facts = [
            ("state", item_mark(item.state, self.symbols)[1]),
            ("since", moment(item.at, now)),
            ("evidence", item.evidence),
            ("by", item.by),
            ("decided", checked),
            ("part", item.group),
            ("item", item.id),
        ]
        self.app.push_screen(
            TextScreen(self.deck.bridge, self.environment, "item", item.title, [one for one in facts if one[1]])
        )

    def do_filter(self) -> None:
        self.filter_rows(self.table)

    def do_tick(self) -> None:
        """Under the person's name, kept in the audit; the session tells the new state."""
        if (key := self.table.cursor_key) is not None:
            done = not self.items[key].done
            self.deck.ask("tick", partial(self._session.tick, self.environment, key, done), lambda _: None)

    def do_verify(self) -> None:
        if (key := self.table.cursor_key) is not None:
            title = self.items[key].title
            question = partial(self._session.verify, self.environment, key)
            self.deck.ask("verify", question, lambda _: self.deck.say(f"{title}: its check was run."))

    def do_import(self) -> None:
        def read(view: ChecklistView) -> None:
            self.known.checklists[self.environment] = view
            self.draw()
            self.deck.say(f"{view.title or 'The checklist'} was read again: {view.done} of {len(view.items)} done.")

        self.deck.ask("import", partial(self._session.checklist, self.environment), read)

    @property
    def _session(self) -> Any:
        return self.deck.bridge.session

"""Every action there is, with what it does and how dangerous it is. Their modules are not imported for this."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from screens.base import Deck
from screens.widgets.table import Cell, Column, Row, RowTable

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from console.session import ActionShown
    from screens.known import Bridge

COLUMNS = (
    Column("action", 10),
    Column("called", 22, grow=1),
    Column("what it does", 26, grow=3),
    Column("danger", 8, 1),
)


class ActionsScreen(Deck[None]):
    """Enter opens the form of the chosen action."""

    AUTO_FOCUS = "#actions"
    TITLE_WORDS = "actions"

    def __init__(self, bridge: Bridge, environment: str) -> None:
        super().__init__(bridge, environment)
        self.actions: tuple[ActionShown, ...] = ()

    def body(self) -> ComposeResult:
        yield RowTable(COLUMNS, symbols=self.bridge.symbols, empty="reading which actions there are", id="actions")

    def on_mount(self) -> None:
        super().on_mount()
        self.ask("actions", partial(self.bridge.session.actions, self.environment), self._show)

    def _show(self, actions: tuple[ActionShown, ...]) -> None:
        self.actions = actions
        self.draw()

    def draw(self) -> None:
        self.query_one("#actions", RowTable).show(
            [
                Row(
                    one.name,
                    (
                        Cell(one.name, "key"),
                        Cell(one.title),
                        Cell(one.help, "dim"),
                        Cell(one.danger, "warn" if one.danger == "destroys" else "dim"),
                    ),
                )
                for one in self.actions
            ]
        )

    def on_row_list_opened(self) -> None:
        self.do_open()

    def do_open(self) -> None:
        if (key := self.query_one("#actions", RowTable).cursor_key) is not None:
            self.begin(key)

    def do_filter(self) -> None:
        self.filter_rows(self.query_one("#actions", RowTable))

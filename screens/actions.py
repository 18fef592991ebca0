"""Every action there is, with what it does and how dangerous it is. Their modules are not imported for this."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from screens.listing import ListScreen
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


class ActionsScreen(ListScreen):
    """Enter opens the form of the chosen action."""

    TITLE_WORDS = "actions"

    def __init__(self, bridge: Bridge, environment: str) -> None:
        super().__init__(bridge, environment)
        self.actions: tuple[ActionShown, ...] = ()

    def body(self) -> ComposeResult:
        yield RowTable(COLUMNS, symbols=self.bridge.symbols, empty="reading which actions there are", id="actions")

    def do_refresh(self) -> None:
        self.ask("actions", partial(self.bridge.session.actions, self.environment), self._show, self.unread)

    def _show(self, actions: tuple[ActionShown, ...]) -> None:
        self.actions = actions
        self.draw()

    def draw(self) -> None:
        self.table.show(
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

    def do_open(self) -> None:
        if (key := self.table.cursor_key) is not None:
            self.begin(key)

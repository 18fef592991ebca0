"""One line of typed text. The cursor does not blink: it would cost 2 KB a second for as long as a screen stands."""

from __future__ import annotations

from textual.widgets import Input


class Entry(Input):
    """A compact input line without a blinking cursor and without animations."""

    def __init__(
        self,
        value: str = "",
        *,
        placeholder: str = "",
        password: bool = False,
        id: str | None = None,  # noqa: A002
    ) -> None:
        super().__init__(value, placeholder=placeholder, password=password, id=id, compact=True, select_on_focus=False)
        self.cursor_blink = False

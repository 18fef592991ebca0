"""One line of typed text. The cursor does not blink: it would cost 2 KB a second for as long as a screen stands.

What is suggested or pasted is shown with everything in it that cannot be seen otherwise, and is then what is typed.
"""

from __future__ import annotations

from textual.widgets import Input

from console.text.visible import visible_line


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
        super().__init__(
            value if password else visible_line(value),
            placeholder=visible_line(placeholder),
            password=password,
            id=id,
            compact=True,
            select_on_focus=False,
        )
        self.cursor_blink = False

    def validate_value(self, value: str) -> str:
        """What stands in the line from now on; a passphrase, which is not shown, stays as it is."""
        return value if self.password else visible_line(value)

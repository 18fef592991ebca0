"""The passphrase of the keyring, masked. It is handed to the session and nowhere kept."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from screens.base import ArmedChanged
from screens.entry import Entry
from screens.page import Words
from screens.sheet import Sheet

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from console.session import AskFailed


BEFORE = (
    "Until it is open the values of secrets are not known here: in logs and output only what looks like a secret "
    "is masked."
)


class UnlockScreen(Sheet[bool]):
    """True once the keyring is open; None if it was left."""

    AUTO_FOCUS = "#passphrase"

    def body(self) -> ComposeResult:
        where = self.bridge.session.keyring().where
        yield Words(("Unlock the keyring", "head"), (f"  {where}" if where else "", "dim"))
        yield Words("The passphrase stays in this console and is asked for once a session.")
        yield Words((BEFORE, "dim"))
        yield Entry(password=True, placeholder="passphrase", id="passphrase")
        yield Words(id="problem")
        yield Words(("enter", "key"), " unlock   ", ("esc", "key"), " not now")

    def on_input_submitted(self, event: Entry.Submitted) -> None:
        """Try it, in a thread: deriving the key takes about a second by design."""
        event.stop()
        typed = event.value
        self.query_one("#passphrase", Entry).value = ""
        if not typed:
            return
        self.query_one("#problem", Words).say(("Trying it.", "dim"))
        self.ask("unlock", partial(self.bridge.session.unlock, typed), self._open, self._wrong)

    def _open(self, _: None) -> None:
        self.app.post_message(ArmedChanged())
        self.dismiss(True)

    def _wrong(self, error: AskFailed) -> None:
        self.query_one("#problem", Words).say((" ".join((str(error), *error.ways_out)), "bad"))

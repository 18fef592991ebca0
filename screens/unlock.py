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
    from screens.known import Bridge


BEFORE = (
    "Until it is open the values of secrets are not known here: in logs and output only what looks like a secret "
    "is masked."
)
NEW = (
    "There is none yet: it is made with the passphrase that you choose now. Nothing opens it without that, and nobody "
    "can find it out: choose several words, and keep them."
)


class UnlockScreen(Sheet[bool]):
    """True once the keyring is open; None if it was left. One that is not there yet is made: its passphrase twice."""

    AUTO_FOCUS = "#passphrase"

    def __init__(self, bridge: Bridge, environment: str) -> None:
        super().__init__(bridge, environment)
        self.ring = bridge.session.keyring()
        self.new = self.ring.state == "unmade"

    def told(self) -> ComposeResult:
        where = self.ring.where
        yield Words(
            ("Make the keyring" if self.new else "Unlock the keyring", "head"), (f"  {where}" if where else "", "dim")
        )
        yield Words(
            (NEW, "warn") if self.new else "The passphrase stays in this console and is asked for once a session."
        )
        if not self.new:
            yield Words((BEFORE, "dim"))

    def body(self) -> ComposeResult:
        yield Entry(password=True, placeholder="passphrase", id="passphrase")
        if self.new:
            yield Entry(password=True, placeholder="the same again", id="same")
        yield Words(id="problem")
        yield Words(("enter", "key"), " make it   " if self.new else " unlock   ", ("esc", "key"), " not now")

    def on_input_submitted(self, event: Entry.Submitted) -> None:
        """Try it, in a thread: deriving the key takes about a second by design."""
        event.stop()
        fields = list(self.query(Entry))
        if event.input is not fields[-1]:
            fields[-1].focus()
            return
        typed = [one.value for one in fields]
        for one in fields:
            one.value = ""
        fields[0].focus()
        if not typed[0]:
            return
        if typed[0] != typed[-1]:
            self._problem("The two differ: no keyring was made. Type it again, twice.", "warn")
            return
        self._problem("Making it." if self.new else "Trying it.", "dim")
        self.ask("unlock", partial(self.bridge.session.unlock, typed[0]), self._open, self._wrong)

    def _problem(self, words: str, tone: str) -> None:
        self.query_one("#problem", Words).say((words, tone))

    def _open(self, _: None) -> None:
        self.app.post_message(ArmedChanged())
        self.dismiss(True)

    def _wrong(self, error: AskFailed) -> None:
        self._problem(" ".join((str(error), *error.ways_out)), "bad")

"""Lock an environment for a person, with a reason that everybody sees; or give the lock back."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from screens.changing import Changing
from screens.entry import Entry
from screens.page import Words
from screens.words import moment

if TYPE_CHECKING:
    from textual.app import ComposeResult


class LockScreen(Changing):
    """Asks for the reason, or shows who holds the lock and offers to take it away."""

    AUTO_FOCUS = "#reason"

    def told(self) -> ComposeResult:
        held = self.bridge.known.environment(self.environment).lock
        if held is None:
            yield Words((f"Lock {self.environment}", "head"))
            yield Words("Nobody's run starts there until it is unlocked. Say why: whoever is refused reads it.")
        else:
            since = moment(held.since, self.bridge.clock())
            yield Words((f"Unlock {self.environment}", "head"))
            yield Words(f"Held by {held.who} since {since}: {held.reason or 'no reason given'}.")
            if held.kind == "run":
                yield Words((f"It belongs to the run {held.run}, which takes it away itself when it ends.", "warn"))

    def body(self) -> ComposeResult:
        if self.bridge.known.environment(self.environment).lock is None:
            yield Entry(placeholder="reason", id="reason")
        else:
            yield Words(f"Type {self.environment} to take the lock away.")
            yield Entry(placeholder=self.environment, id="reason")
        yield Words(id="problem")
        yield Words(("enter", "key"), " do it   ", ("esc", "key"), " leave it as it is")

    def on_input_submitted(self, event: Entry.Submitted) -> None:
        """Lock with the reason; unlock when the name is right."""
        event.stop()
        if self.busy:
            return
        held = self.bridge.known.environment(self.environment).lock
        typed = event.value.strip()
        if held is None and not typed:
            self._problem("A lock needs a reason.")
        elif held is not None and typed != self.environment:
            self._problem(f"That is not {self.environment}: nothing was done.")
        else:
            reason = typed if held is None else None
            said = f"{self.environment} is free." if reason is None else f"{self.environment} is locked: {reason}"
            question = partial(self.bridge.session.lock, self.environment, reason)
            self.change("Asking the hosts.", question, lambda _: self._locked(said))

    def _locked(self, said: str) -> None:
        self.say(said)
        self.bridge.session.refresh()
        self.dismiss(None)

"""The last question before a run. The default is No; production wants its name typed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from screens.entry import Entry
from screens.page import Words
from screens.sheet import Sheet

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from console.session import PlanShown
    from screens.known import Bridge


class ConfirmScreen(Sheet[str]):
    """The reason that was given, if it was confirmed; None for No, which is what Enter on its own means."""

    AUTO_FOCUS = "#word"

    def __init__(self, bridge: Bridge, plan: PlanShown) -> None:
        super().__init__(bridge, plan.environment)
        self.add_class("loud")
        self.plan = plan
        self.wanted = bridge.session.confirmation(plan.environment) or "yes"
        if plan.session_bound:
            self.wanted += " session-bound"

    def body(self) -> ComposeResult:
        production = self.bridge.known.environment(self.environment).production
        changes = sum(1 for step in self.plan.steps if step.undo or step.no_undo)
        yield Words((self.plan.title, "bad" if production else "head"))
        known = "; if anything it was made from has changed, it is refused" if not self.plan.foreign else ""
        if self.plan.foreign:
            yield Words((self.plan.foreign, "warn"))
        if self.plan.session_bound:
            yield Words((self.plan.session_bound, "warn"))
        yield Words(
            f"{len(self.plan.steps)} steps, {changes} of them change something. Digest {self.plan.digest[:12]}.\n"
            f"What runs is exactly this plan{known}."
        )
        if self.plan.without:
            yield Words((f"Without {', '.join(self.plan.without)}: nothing is done there.", "warn"))
        yield Words("Why? It is kept in the journal and shown to whoever finds the lock.", classes="label")
        yield Entry(placeholder="reason (a ticket, a sentence)", id="reason")
        yield Words("Type ", (self.wanted, "strong"), " to run it. Anything else is No.", classes="label")
        yield Entry(placeholder="No", id="word")
        yield Words(id="problem")
        yield Words(("enter", "key"), " answer   ", ("tab", "key"), " reason   ", ("esc", "key"), " No")

    def on_input_submitted(self, event: Entry.Submitted) -> None:
        """Enter in the reason goes on to the word; enter in the word answers."""
        event.stop()
        word = self.query_one("#word", Entry)
        if event.input is not word:
            word.focus()
        elif word.value.strip() == self.wanted:
            self.dismiss(self.query_one("#reason", Entry).value.strip())
        elif not word.value.strip():
            self.dismiss(None)
        else:
            word.value = ""
            self.query_one("#problem", Words).say((f"That is not {self.wanted}: nothing was started.", "warn"))

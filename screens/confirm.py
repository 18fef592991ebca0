"""The last question before a run, or before an answer for one. The default is No; production wants its name typed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from screens.entry import Entry
from screens.page import Words
from screens.sheet import Sheet
from screens.words import counted

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from console.session import Choice, PlanShown
    from screens.known import Bridge

DECIDED: Mapping[Choice, tuple[str, str, str]] = {
    "undo": ("Undo", "undo it", "What it did is taken back in reverse, with the undo of each step."),
    "leave": ("Leave as it is", "leave it", "Nothing is taken back, and the run is closed with that."),
    "resume": ("Resume", "go on", "Each step is first checked for whether it happened: nothing is done twice."),
    "now": ("Skip the wait", "skip the wait", "The run goes on at once: what it waits for may not be over."),
}
"""What is decided of a run by confirming its plan: its title, what is typed for, what then happens."""
FINISH = (
    "Finish the undo",
    "finish the undo",
    "What is not taken back yet is, in reverse, with the undo of each step.",
)


def decided(choice: Choice, plan: PlanShown) -> tuple[str, str, str]:
    """The same of this run: one that was being taken back is gone on with by finishing that."""
    return FINISH if choice == "resume" and plan.undoing else DECIDED[choice]


class ConfirmScreen(Sheet[str]):
    """The reason that was given, if it was confirmed; None for No, which is what Enter on its own means.

    `choice`: what is decided of a run that is there already.
    """

    AUTO_FOCUS = "#word"

    def __init__(self, bridge: Bridge, plan: PlanShown, choice: Choice | None = None) -> None:
        super().__init__(bridge, plan.environment)
        self.add_class("loud")
        self.plan, self.choice = plan, choice
        decides = decided(choice, plan) if choice is not None else ("", "run it", "")
        self.title_words, self.does, self.then = decides
        self.wanted = bridge.session.confirmation(plan.environment) or "yes"
        if plan.session_bound:
            self.wanted += " session-bound"

    def told(self) -> ComposeResult:
        production = self.bridge.known.environment(self.environment).production
        changes = sum(1 for step in self.plan.steps if step.undo or step.no_undo)
        head = f"{self.title_words}: {self.plan.title}" if self.choice is not None else self.plan.title
        yield Words((head, "bad" if production else "head"))
        known = "; if anything it was made from has changed, it is refused" if not self.plan.foreign else ""
        if self.plan.foreign:
            yield Words((self.plan.foreign, "warn"))
        if self.plan.session_bound:
            yield Words((self.plan.session_bound, "warn"))
        some = f"{changes or 'none'} change{'s' if changes < 2 else ''} something"
        yield Words(
            f"{counted(len(self.plan.steps), 'step')}, of which {some}. "
            f"Digest {self.plan.digest[:12]}.\n" + (self.then or f"What runs is exactly this plan{known}.")
        )
        if self.plan.without:
            yield Words((f"Without {', '.join(self.plan.without)}: nothing is done there.", "warn"))

    def body(self) -> ComposeResult:
        yield Words("Why? It is kept in the journal and shown to whoever finds the lock.", classes="label")
        yield Entry(placeholder="reason (a ticket, a sentence)", id="reason")
        yield Words("Type ", (self.wanted, "strong"), f" to {self.does}; enter alone, or esc, is No.", classes="label")
        yield Entry(placeholder="No", id="word")
        yield Words(id="problem")
        yield Words(("enter", "key"), " answer   ", ("tab", "key"), " reason   ", ("esc", "key"), " No")

    def on_input_submitted(self, event: Entry.Submitted) -> None:
        """Enter in the reason goes on to the word; enter in the word answers."""
        event.stop()
        word = self.query_one("#word", Entry)
        if self.too_small:
            return  # the field is not seen
        if event.input is not word:
            word.focus()
        elif word.value.strip() == self.wanted:
            self._confirmed(self.query_one("#reason", Entry))
        elif not word.value.strip():
            self.dismiss(None)
        else:
            word.value = ""
            self.query_one("#problem", Words).say(
                (f"That is not {self.wanted}: nothing was done. Type it again, or leave with esc.", "warn")
            )

    def _confirmed(self, reason: Entry) -> None:
        """To skip a wait wants a reason, which the audit keeps."""
        if self.choice == "now" and not reason.value.strip():
            self.query_one("#problem", Words).say(("To skip a wait wants a reason.", "warn"))
            reason.focus()
        else:
            self.dismiss(reason.value.strip())

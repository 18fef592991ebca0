"""A small modal that changes something: one answer at a time."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from screens.page import Words
from screens.sheet import Sheet

if TYPE_CHECKING:
    from console.session import AskFailed


class Changing(Sheet[None]):
    """Until the answer is there enter does nothing, what is typed stays, and escape waits for it, but not twice."""

    busy = False
    leaving = False

    def change(self, words: str, question: Callable[[], None], then: Callable[[None], None]) -> None:
        """Ask for the change in a thread."""
        self.busy = True
        self._problem(words)
        self.ask("change", question, partial(self._done, then), self._failed)

    def do_back(self) -> None:
        if self.busy and not self.leaving:  # whoever is below would read again what is not changed yet
            self.leaving = True
            self._problem("It is still under way; this closes once it is done. esc leaves at once.")
        else:
            super().do_back()

    def _done(self, then: Callable[[None], None], answer: None) -> None:
        self.busy = False
        if self.leaving:
            self.dismiss()
        else:
            then(answer)

    def _problem(self, words: str) -> None:
        self.query_one("#problem", Words).say((words, "warn"))

    def _failed(self, error: AskFailed) -> None:
        self.busy = self.leaving = False
        self._problem(" ".join((str(error), *error.ways_out)))

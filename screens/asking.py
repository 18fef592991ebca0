"""Questions that may block, asked in threads: answers come back as messages, so that no key ever waits for a host."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from textual.message import Message
from textual.screen import Screen
from textual.worker import Worker, WorkerState, get_current_worker

from console.answers import AskFailed, Locked

T = TypeVar("T")
Then = Callable[[Any], None]
Failed = Callable[[AskFailed], None]


class Answered(Message):
    """A question was answered; `then` is called with the answer on the screen's own loop."""

    def __init__(self, then: Then, value: object) -> None:
        super().__init__()
        self.then = then
        self.value = value


class Declined(Message):
    """A question was refused; `again` asks it once more."""

    def __init__(self, failed: Failed, error: AskFailed, again: Callable[[], None]) -> None:
        super().__init__()
        self.failed = failed
        self.error = error
        self.again = again


class Asking(Screen[Any]):
    """A screen that asks."""

    def ask(
        self, group: str, question: Callable[[], T], then: Callable[[T], None], failed: Failed | None = None
    ) -> None:
        """Ask in a thread; the answer comes to `then`. A newer question of a group replaces the older one."""
        self.run_worker(
            partial(self._asking, group, question, then, failed or self.declined),
            name=group,
            group=group,
            thread=True,
            exclusive=True,
            exit_on_error=False,
        )

    def _asking(self, group: str, question: Callable[[], T], then: Callable[[T], None], failed: Failed) -> None:
        worker = get_current_worker()
        message: Message
        try:
            message = Answered(then, question())
        except AskFailed as error:
            message = Declined(failed, error, partial(self.ask, group, question, then, failed))
        if not worker.is_cancelled:
            self.post_message(message)

    def on_answered(self, message: Answered) -> None:
        """An answer came while the screen is still there."""
        message.stop()
        message.then(message.value)

    def on_declined(self, message: Declined) -> None:
        """A question was refused: a locked keyring is unlocked and the question asked again, the rest is said."""
        message.stop()
        if isinstance(message.error, Locked):
            self.unlock_first(message)
        else:
            message.failed(message.error)

    def unlock_first(self, message: Declined) -> None:
        """Have the keyring unlocked, then ask again."""
        message.failed(message.error)

    def declined(self, error: AskFailed) -> None:
        """Say why something could not be done, and what to do."""
        self.say(" ".join((str(error), *error.ways_out)), "bad")

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """A question broke instead of being answered: never silent, and kept in the list of reports."""
        if event.state is WorkerState.ERROR and event.worker.error is not None:
            error = event.worker.error
            self.say(f"{event.worker.name}: an error in Quarterdeck itself: {type(error).__name__}: {error}", "bad")

    def say(self, text: str, tone: str = "ok") -> None:
        """Tell the person something."""
        raise NotImplementedError

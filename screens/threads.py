"""Threads for what blocks, that never keep the console from ending.

asyncio's own pool has a handful of threads (6 on 2 cores), so a few hung hosts would leave no thread for the next
question; and it is waited for at the end of the loop and once more at the end of the process, so a hung host would keep
the terminal after `q`. These are daemon threads, one for each question.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Threads(ThreadPoolExecutor):
    """An executor that gives every call its own daemon thread. `loop.set_default_executor` takes only this base."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Begin the call at once in a thread of its own."""
        future: Future[T] = Future()

        def work() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = fn(*args, **kwargs)
            except BaseException as error:  # noqa: BLE001 - it is handed to who asked, as every executor does
                future.set_exception(error)
            else:
                future.set_result(result)

        threading.Thread(target=work, name="asking", daemon=True).start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Nobody is waited for: the threads end with the process."""

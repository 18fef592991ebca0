"""The hosts' copies of a run's records, made beside the next step where nothing has to wait for them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor


class Copies:
    """Sends one after the other, in a thread of its own. What a host refused is raised by the next `wait`."""

    def __init__(self, send: Callable[[Collection[str]], None]) -> None:
        """`send`: copies what the hosts lack, except to those that are given."""
        self._send = send
        self._pool = ThreadPoolExecutor(1, "copies")
        self._going: Future[None] | None = None

    def soon(self, but: Collection[str]) -> None:
        """Send what the hosts lack, except to those in `but`, without waiting for it."""
        going = self._going
        if going is not None and going.done():
            going.result()
        self._going = self._pool.submit(self._send, but)

    def wait(self) -> None:
        """Return once nothing is being sent. Raises FenceRefused, GroundMissing."""
        going = self._going
        if going is not None:
            going.result()

    def close(self) -> None:
        """Wait for what is being sent, whatever became of it."""
        self._pool.shutdown()

"""Runners that are forked from processes which have imported everything, several at a time."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

from console.runs.lease import start_time
from tests.console.runs.world import Server, World, install_plugin, until


class Runner:
    """A runner that a server has forked."""

    def __init__(self, hands: Hands, server: Server, words: list[str]) -> None:
        self._hands, self._server = hands, server
        self._code: int | None = None
        self.pid = server.begin(words)

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        return start_time(self.pid) != ""

    def wait(self) -> int:
        """Its exit code; negative for a signal."""
        if self._code is None:
            self._code = self._server.end()
            self._hands.free.append(self._server)
        return self._code

    def kill(self) -> None:
        """End it as a power cut would."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self.wait()


class Hands:
    """Servers of runners that have imported everything: no test waits for the start of Python."""

    def __init__(self, plugin: Path) -> None:
        install_plugin(plugin)
        self._plugin = plugin
        self._servers: list[Server] = []
        self.free: list[Server] = []
        self.begun: list[Runner] = []

    def begin(self, world: World, run: str, *extra: str) -> Runner:
        """Start the runner of a run; `extra`: how it is to die."""
        if not self.free:
            self._servers.append(Server(self._plugin))
            self.free.append(self._servers[-1])
        self.begun.append(Runner(self, self.free.pop(), world.words(run, *extra)))
        return self.begun[-1]

    def carry(self, world: World, run: str, *extra: str) -> int:
        """Run it to its end; its exit code."""
        return self.begin(world, run, *extra).wait()

    def parked(self, world: World, run: str) -> Runner:
        """The runner of a run, once that is parked."""
        begun = self.begin(world, run)
        until(lambda: state(world, run) == "parked" or not begun.alive, "the parking", 60)
        assert state(world, run) == "parked", world.log(run)
        return begun

    def close(self) -> None:
        """End all servers."""
        for server in self._servers:
            server.close()


def state(world: World, run: str) -> str:
    """Its state in a word, as lists show it."""
    return world.runs.seen(run).state

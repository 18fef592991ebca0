"""A host reached by SSH: one connection for commands, files, the Docker API and forwarding."""

from __future__ import annotations

import shlex
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from console.hosts.base import (
    EngineError,
    ForwardFailed,
    HostError,
    HostRefused,
    HostUnreachable,
    LoginRefused,
    Stream,
)
from console.hosts.channels import SshRunning, execute, open_session
from console.hosts.config import HostConfig, PassphraseFor
from console.hosts.connection import Connection
from console.hosts.core import HostCore
from console.hosts.lazily import put_off
from console.hosts.relay import as_socket
from console.hosts.settings import Ask, resolve
from console.hosts.streamlocal import open_streamlocal
from console.timing import DEFAULT, Timing

put_off()  # before anybody imports paramiko

if TYPE_CHECKING:
    from docker import APIClient

_WHY_NO_SOCKET = """
if [ ! -e "$1" ]; then echo missing; exit 0; fi
if [ ! -S "$1" ]; then echo plain; exit 0; fi
if [ ! -w "$1" ]; then echo right; exit 0; fi
command -v docker >/dev/null || { echo client; exit 0; }
if said=$(docker -H "unix://$1" version --format '{{.Server.APIVersion}}' 2>&1); then echo forward; else
  printf 'down '
  printf '%s\\n' "$said" | tail -n 1
fi
"""


class SshHost(HostCore):
    """One machine behind SSH. Connects at first use, once for all callers, and again after a loss."""

    def __init__(
        self,
        config: HostConfig,
        timing: Timing = DEFAULT,
        passphrase_for: PassphraseFor | None = None,
        *,
        ask: Ask | None = None,
    ) -> None:
        super().__init__(config.name, timing)
        self._config = config
        self._passphrase_for = passphrase_for
        self._ask = ask
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        self._opening: Connection | None = None
        self._docker: tuple[Connection, APIClient] | None = None
        self._failed: HostError | None = None
        self._failures = 0
        self._again_at = 0.0
        self._given_up = False
        self._shown = f"{config.user + '@' if config.user else ''}{config.address}:{config.port or 22}"

    @property
    def address(self) -> str:
        return self._shown

    # -- the connection ----------------------------------------------------------------------------------------

    def _live(self, until: float | None = None) -> Connection:
        """The connection, made if need be: one caller connects, the others wait for it. Raises HostError."""
        self._wanted()
        current = self._connection
        if current is not None and current.alive:
            return current
        timing = self._timing
        limit = timing.connect_s + timing.banner_s + timing.auth_s
        wait = limit if until is None else max(0.0, min(limit, until - time.monotonic()))
        if not self._lock.acquire(timeout=wait):
            raise HostUnreachable(self.name, f"{self.name} ({self.address}) was not connected within {wait:.0f} s.")
        try:
            current = self._connection
            if current is not None and current.alive:
                return current
            self._wanted()
            if self._failed is not None and time.monotonic() < self._again_at:
                # Somebody has just tried. A dead host is not hammered, and a login refused is not tried into a ban.
                raise self._failed
            if current is not None:
                current.close()
                self._connection = None
            try:
                hops = resolve(self._config, self._ask)
                self._shown = hops[-1].shown
                connection = self._opening = Connection(self.name, self._shown, timing)
                self._wanted()  # who gave up before this moment could not close it
                connection.open(hops, self._passphrase_for)
            except (HostUnreachable, HostRefused) as error:
                failed = error if isinstance(error, HostUnreachable) else LoginRefused(self.name, str(error))
                self._failed = failed
                pause = min(timing.connect_s / 10 * 2**self._failures, 1.5 * timing.connect_s)
                self._failures = min(self._failures + 1, 10)
                self._again_at = time.monotonic() + pause
                raise failed from error
            finally:
                self._opening = None
            self._failed, self._failures = None, 0
            self._connection = connection
            connection.watch()
            connection.spare.lay()
            return connection
        finally:
            self._lock.release()

    def _wanted(self) -> None:
        if self._given_up:
            raise HostUnreachable(self.name, f"{self.name} ({self.address}) is not waited for any more.")

    def line(self) -> object | None:
        """See `base.Host.line`."""
        current = self._connection
        return current if current is not None and current.settles() else None

    def agents(self) -> frozenset[str]:
        """Sockets of the agents whose key a hop took and of which there is no file that opens without them."""
        return frozenset(self._live().agents)

    def close(self) -> None:
        """Close the connection and everything on it. What is detached on the host goes on."""
        opening = self._opening
        if opening is not None:
            opening.close()  # whoever is connecting is told, and lets go of the lock
        with self._lock:
            connection, self._connection = self._connection, None
            docker, self._docker = self._docker, None
            self._failed, self._failures = None, 0
        if docker is not None:
            docker[1].close()
        if connection is not None:
            connection.close()

    def give_up(self) -> None:
        """See `base.Host.give_up`."""
        self._given_up = True
        self.close()

    def _start(
        self,
        words: Sequence[str],
        stdin: bytes | None,
        feed: Callable[[Stream, bytes], None],
        *,
        until: float,
        cancel: threading.Event | None,
        urgent: bool,
    ) -> SshRunning:
        connection = self._live(until)
        slot = open_session(connection, until=until, cancel=cancel, urgent=urgent)
        try:
            # SSH hands a command over as one line for the account's shell; this is the one place that makes it.
            execute(slot, f"exec {shlex.join(words)}")
            return SshRunning(slot, stdin, feed)
        except BaseException:
            slot.close()
            raise

    # -- through it --------------------------------------------------------------------------------------------

    def connect_to(self, host: str, port: int) -> socket.socket:
        """A new connection to `host:port` as seen from there.

        Raises ForwardFailed when nothing answers there, HostRefused when sshd forwards nothing, HostUnreachable.
        """
        import paramiko

        connection = self._live()
        try:
            channel = connection.transport.open_channel(
                "direct-tcpip", (host, port), ("127.0.0.1", 0), timeout=self._timing.channel_s
            )
        except paramiko.ChannelException as error:
            if error.code == 1:
                raise HostRefused(
                    self.name, f"{self.name} forwards no connections (AllowTcpForwarding in its sshd_config)."
                ) from error
            raise ForwardFailed(
                self.name, f"{host}:{port} does not answer {self.name}: {error.text or 'no reason'}."
            ) from error
        except (paramiko.SSHException, EOFError, OSError) as error:
            if not connection.alive:
                raise connection.lost() from error
            raise ForwardFailed(
                self.name, f"{host}:{port} did not answer {self.name} within {self._timing.channel_s:g} s."
            ) from error
        return as_socket(channel, f"{self.name} {host}:{port}")

    def engine_socket(self) -> socket.socket:
        """A new raw connection to the engine: its socket forwarded, else `docker system dial-stdio`.

        Raises EngineError with what is wrong, HostUnreachable.
        """
        import paramiko

        connection = self._live()
        if not connection.no_streamlocal:
            try:
                channel = open_streamlocal(connection.transport, self._config.docker_socket, self._timing.channel_s)
                return as_socket(channel, f"{self.name} engine")
            except paramiko.ChannelException:
                self._explain_engine()
                connection.no_streamlocal = True
            except (paramiko.SSHException, EOFError, OSError) as error:
                if connection.alive:
                    raise EngineError(self.name, f"{self.name} opened no way to its engine: {error}.") from error
                raise connection.lost() from error
        until = time.monotonic() + self._timing.channel_s
        slot = open_session(connection, until=until, cancel=None, urgent=False)
        try:
            execute(
                slot,
                "exec " + shlex.join(("docker", "-H", f"unix://{self._config.docker_socket}", "system", "dial-stdio")),
            )
        except BaseException:
            slot.close()
            raise
        return as_socket(slot.channel, f"{self.name} engine", slot.close)

    def _explain_engine(self) -> None:
        """Raise EngineError unless the engine is fine and only its socket is not forwarded."""
        path = self._config.docker_socket
        words = self.script(_WHY_NO_SOCKET, path, deadline_s=self._timing.read_s).text().split(" ", 1)
        reasons = {
            "missing": f"there is no Docker socket at {path} on {self.name}: Docker is not installed, or its socket is "
            "elsewhere ('docker_socket:' in the profile).",
            "plain": f"{path} on {self.name} is not a socket.",
            "right": f"{self.address.partition('@')[0]} may not use the Docker engine of {self.name} ({path}): add the "
            "account to the group that owns the socket (usually 'docker') and log in again.",
            "client": f"the Docker socket of {self.name} could not be opened by forwarding (the engine is not "
            "running, or AllowStreamLocalForwarding is off in its sshd_config), and there is no docker "
            "program to go round it.",
            "down": f"the Docker engine of {self.name} is not running: {words[-1][:300]}",
        }
        if words[0] in reasons:
            raise EngineError(self.name, reasons[words[0]])

    def docker(self) -> APIClient:
        """The engine's API over this connection, read only. Raises EngineError, HostUnreachable."""
        from console.hosts.docker_api import read_only_client

        connection = self._live()
        with self._lock:
            cached = self._docker
        if cached is not None and cached[0] is connection:
            return cached[1]
        client = read_only_client(self.name, self.engine_socket, self._timing)
        with self._lock:
            self._docker = (connection, client)
        return client

"""One live SSH connection: sockets, hops, host keys, and a clock of our own that says when its peer is dead.

paramiko cannot tell a dead peer from a quiet one (its keepalive counts no answer) and opens channels with a deadline
of an hour; both are ours here. It sets no socket options either, which costs 45 ms a command (Nagle against delayed
acknowledgement): TCP_NODELAY is set on our own socket.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from console.hosts import known_hosts
from console.hosts.ahead import Spare
from console.hosts.base import HostRefused, HostUnreachable
from console.hosts.config import PassphraseFor
from console.hosts.login import log_in
from console.hosts.settings import HopSettings
from console.timing import Timing

if TYPE_CHECKING:
    from paramiko import PKey

    from console.hosts.transport import PackingTransport

SLOTS = 5
"""Session channels for commands; one more is kept for ending them. sshd allows 10 (MaxSessions), and a slot there
stays taken until the command has ended, whatever we close."""

_WEAK = {
    "ciphers": ["aes128-cbc", "aes192-cbc", "aes256-cbc", "3des-cbc"],
    "macs": ["hmac-sha1", "hmac-md5", "hmac-sha1-96", "hmac-md5-96"],
}
_RSA = ("rsa-sha2-512", "rsa-sha2-256")


class _Heard:
    """When bytes last came from a peer, on the monotonic clock. Any byte proves life; a reply may queue behind data."""

    def __init__(self) -> None:
        self.at = time.monotonic()


class _Watched:
    """A socket, or a hop's channel, that notes when it was last heard of."""

    def __init__(self, inner: Any, heard: _Heard) -> None:
        self._inner = inner
        self._heard = heard

    def recv(self, size: int) -> bytes:
        data: bytes = self._inner.recv(size)
        if data:
            self._heard.at = time.monotonic()
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class Connection:
    """A chain of verified and authenticated transports; the last one is the host's."""

    def __init__(self, host: str, shown: str, timing: Timing) -> None:
        self.host = host
        self.shown = shown
        self.timing = timing
        self.slots = threading.BoundedSemaphore(SLOTS)
        self.urgent = threading.BoundedSemaphore(1)
        self.closed = threading.Event()
        self.why = ""
        """Why it is closed, for a sentence."""
        self.no_streamlocal = False
        self.agents: set[str] = set()
        """Sockets of agents without which a hop could not be logged in to again."""
        self.spare = Spare(lambda: self.transport.open_session(timeout=timing.channel_s))
        self._heard = _Heard()
        self._transports: list[PackingTransport] = []
        self._sockets: list[socket.socket] = []

    @property
    def transport(self) -> PackingTransport:
        return self._transports[-1]

    @property
    def alive(self) -> bool:
        return not self.closed.is_set() and bool(self._transports) and self.transport.is_active()

    def lost(self) -> HostUnreachable:
        """The error for whoever was using it."""
        return HostUnreachable(self.host, f"{self.host} ({self.shown}) was lost: {self.why or self._broken()}.")

    def _broken(self) -> str:
        """That it broke, and by what if that is known: an end that the peer made on purpose says nothing more."""
        error = getattr(self._transports[-1], "saved_exception", None) if self._transports else None
        return "the connection broke" + (f" ({error})" if error is not None and str(error) else "")

    def close(self, why: str = "the connection was closed") -> None:
        """Close everything; whoever waits on it is told at once. Safe to call twice and from any thread."""
        if not self.closed.is_set():
            self.why = self.why or why
        self.closed.set()
        for sock in self._sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        for transport in reversed(self._transports):
            # A hop that is gone cannot be told that what ran through it ends.
            with contextlib.suppress(OSError, EOFError):
                transport.close()

    def settles(self) -> bool:
        """Whether it is alive after all, once its judge has had time to say so; for whoever waited for it in vain."""
        ends = self._heard.at + self.timing.probe_every_s + self.timing.probe_answer_s + 0.5
        while self.alive and time.monotonic() - self._heard.at > self.timing.probe_every_s and time.monotonic() < ends:
            self.closed.wait(0.05)
        return self.alive

    def watch(self) -> None:
        """Start asking whether the peer is there, until it is closed."""
        threading.Thread(target=self._ask, name=f"ssh-ask {self.host}", daemon=True).start()
        threading.Thread(target=self._judge, name=f"ssh-judge {self.host}", daemon=True).start()

    def _ask(self) -> None:
        import paramiko

        transport = self.transport
        while not self.closed.wait(self.timing.probe_every_s):
            try:
                # Has no deadline of its own; the judge closes the transport, which ends it.
                transport.global_request("keepalive@openssh.com", wait=True)
            except (paramiko.SSHException, OSError, EOFError):
                return

    def _judge(self) -> None:
        """Apart from the asker, which may itself be stuck in a send."""
        limit = self.timing.probe_every_s + self.timing.probe_answer_s
        while not self.closed.wait(min(0.25, limit / 8)):
            if not self.transport.is_active():
                self.close(self._broken())
                return
            silent = time.monotonic() - self._heard.at
            if silent > limit:
                self.close(f"no answer for {silent:.0f} s" if silent >= 1 else f"no answer for {silent:.1f} s")
                return

    # -- making it ---------------------------------------------------------------------------------------------

    def open(self, hops: Sequence[HopSettings], passphrase_for: PassphraseFor | None) -> None:
        """Connect over every hop, each verified and logged in to. Raises HostUnreachable or HostRefused."""
        try:
            for number, hop in enumerate(hops):
                target = number == len(hops) - 1
                self.handshake(hop, self.wire(hop), self._heard if target else _Heard(), packs=target)
                self.pass_through(hop, passphrase_for)
        except BaseException:
            self.close("connecting failed")
            raise

    def pass_through(self, hop: HopSettings, passphrase_for: PassphraseFor | None) -> None:
        """Verify the key of the hop just shaken hands with, and log in to it. Raises HostRefused, HostUnreachable."""
        self.verify(hop)
        self._log_in(hop, self.transport, passphrase_for)

    def verify(self, hop: HopSettings) -> None:
        """Judge the host key of the hop just shaken hands with. Raises HostRefused."""
        self._verify(hop, self.transport.get_remote_server_key())

    def wire(self, hop: HopSettings) -> Any:
        """The bytes to a hop: our own socket to the first, a channel of the hop before to the others."""
        import paramiko

        if hop.proxy_command:
            raise HostRefused(
                self.host,
                f"{self.host}: the ssh configuration reaches {hop.asked} by a ProxyCommand, which Quarterdeck does not "
                "run. Use ProxyJump, or 'jump:' in the profile.",
            )
        if self._transports:
            before = self._transports[-1]
            try:
                return before.open_channel(
                    "direct-tcpip", (hop.hostname, hop.port), ("127.0.0.1", 0), timeout=self.timing.connect_s
                )
            except paramiko.ChannelException as error:
                if error.code == 1:
                    raise HostRefused(
                        self.host,
                        f"{self.host}: the jump host does not forward to {hop.hostname}:{hop.port} "
                        "(AllowTcpForwarding).",
                    ) from error
                raise HostUnreachable(
                    self.host,
                    f"{self.host}: {hop.hostname}:{hop.port} does not answer the jump host: "
                    f"{error.text or 'no reason'}.",
                ) from error
            except (paramiko.SSHException, EOFError, OSError) as error:
                raise HostUnreachable(
                    self.host, f"{self.host}: the jump host opened no way to {hop.hostname}: {error}."
                ) from error
        try:
            sock = self._socket(hop)
        except socket.gaierror as error:
            raise HostUnreachable(
                self.host, f"{self.host}: the name {hop.hostname} does not resolve ({error.strerror})."
            ) from error
        except TimeoutError as error:
            raise HostUnreachable(
                self.host,
                f"{self.host}: {hop.hostname}:{hop.port} did not answer within {self.timing.connect_s:g} s.",
            ) from error
        except OSError as error:
            raise HostUnreachable(
                self.host, f"{self.host}: {hop.hostname}:{hop.port} cannot be reached: {error.strerror or error}."
            ) from error
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            limit = int(1000 * (self.timing.probe_every_s + self.timing.probe_answer_s))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, max(limit, 1))
        return sock

    def _socket(self, hop: HopSettings) -> socket.socket:
        """A connection to the first hop, at which `close` ends the wait too. Raises OSError."""
        problem = OSError("it has no address")
        for family, kind, protocol, _, address in socket.getaddrinfo(hop.hostname, hop.port, type=socket.SOCK_STREAM):
            if self.closed.is_set():
                break
            try:
                sock = socket.socket(family, kind, protocol)
            except OSError as error:  # of a family that this machine does not have
                problem = error
                continue
            self._sockets.append(sock)
            try:
                sock.settimeout(self.timing.connect_s)
                sock.connect(address)
                if not self.closed.is_set():  # a connect that is shut down under way looks like one that went well
                    return sock
            except OSError as error:
                problem = error
            self._sockets.remove(sock)
            sock.close()
        raise OSError("it is not waited for any more") if self.closed.is_set() else problem

    def handshake(
        self, hop: HopSettings, wire: Any, heard: _Heard | None = None, *, packs: bool = False
    ) -> PackingTransport:
        """Agree on keys with a hop. Its host key is not judged yet. Raises HostUnreachable or HostRefused.

        `packs`: what is sent to it is packed. What a jump host passes on is ciphertext, which cannot be.
        """
        import paramiko
        from paramiko.ssh_exception import IncompatiblePeer

        from console.hosts.transport import PackingTransport

        # Without a handler of its own, logging's last resort would write warnings onto the screen.
        log = logging.getLogger("paramiko")
        if not log.handlers:
            log.addHandler(logging.NullHandler())
        watched: Any = _Watched(wire, heard or _Heard())
        transport = PackingTransport(watched, disabled_algorithms=_WEAK)
        self._transports.append(transport)
        transport.daemon = True
        transport.banner_timeout = self.timing.banner_s
        transport.handshake_timeout = self.timing.banner_s
        transport.auth_timeout = self.timing.auth_s
        transport.channel_timeout = self.timing.channel_s
        transport.packs = packs or hop.compression
        transport.unpacks = hop.compression
        keys, _ = known_hosts.read((*hop.known_hosts, *hop.global_known_hosts))
        options = transport.get_security_options()
        known = known_hosts.kinds(keys, hop.lookup)
        first = [name for kind in known for name in (_RSA if kind == "ssh-rsa" else (kind,))]
        offered = list(options.key_types)
        options.key_types = [name for name in first if name in offered] + [n for n in offered if n not in first]
        try:
            transport.start_client(timeout=self.timing.banner_s)
        except IncompatiblePeer as error:
            raise HostRefused(
                self.host,
                f"{self.host}: {hop.shown} and Quarterdeck share no algorithm that is still safe: {error}.",
            ) from error
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise HostUnreachable(
                self.host, f"{self.host}: {hop.hostname}:{hop.port} does not speak SSH to us: {error or 'it hung up'}."
            ) from error
        if not transport.initial_kex_done:  # start_client says nothing when its time is over
            where, within = f"{self.host}: {hop.hostname}:{hop.port}", f"within {self.timing.banner_s:g} s"
            if transport.remote_version:
                raise HostUnreachable(self.host, f"{where} speaks SSH, and did not agree on keys {within}.")
            raise HostUnreachable(self.host, f"{where} takes the connection and says nothing: no SSH {within}.")
        return transport

    def _verify(self, hop: HopSettings, key: PKey) -> None:
        files = (*hop.known_hosts, *hop.global_known_hosts)
        keys, problems = known_hosts.read(files)
        blob = key.asbytes()
        verdict = known_hosts.judge(keys, hop.lookup, key.get_name(), blob)
        shown = known_hosts.fingerprint(blob)
        if verdict.outcome == "known":
            return
        line = verdict.line
        if verdict.outcome == "revoked" and line is not None:
            raise HostRefused(
                self.host,
                f"{self.host}: the key that {hop.lookup} shows ({key.get_name()} {shown}) is marked @revoked in "
                f"{line.file}, line {line.line}. Do not go on; ask whoever revoked it.",
            )
        if verdict.outcome == "mismatch" and line is not None:
            raise HostRefused(
                self.host,
                f"{self.host}: {hop.lookup} shows another key than the one on record. Shown: {key.get_name()} {shown}. "
                f"On record in {line.file}, line {line.line}: {line.kind} {known_hosts.fingerprint(line.blob)}. It was "
                "set up anew, or somebody stands in between: find out which. If it was set up anew: "
                f"ssh-keygen -R '{hop.lookup}' -f {line.file}   and then: quarterdeck hosts trust {self.host}",
            )
        more = ""
        if verdict.authority is not None:
            authority = verdict.authority
            more = (
                f" (The @cert-authority of {authority.file}, line {authority.line}, is not usable here: Quarterdeck "
                "checks plain host keys.)"
            )
        elif problems:
            more = f" (Not readable: {problems[0].file}, line {problems[0].line}: {problems[0].why}.)"
        raise HostRefused(
            self.host,
            f"{self.host}: no key of {hop.lookup} is on record; it shows {key.get_name()} {shown}. Compare that with "
            f"the host's own, then: quarterdeck hosts trust {self.host}{more}",
        )

    def _log_in(self, hop: HopSettings, transport: PackingTransport, passphrase_for: PassphraseFor | None) -> None:
        import paramiko

        try:
            agent = log_in(transport, self.host, hop, passphrase_for, self.timing)
        except paramiko.AuthenticationException as error:
            raise HostRefused(self.host, f"{self.host}: {hop.shown} refused the login: {error}.") from error
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise HostUnreachable(
                self.host, f"{self.host}: {hop.shown} hung up while logging in: {error or 'no reason'}."
            ) from error
        if agent is not None:
            self.agents.add(agent)

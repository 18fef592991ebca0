"""A real sshd on loopback for these tests: run as this user, with a configuration, keys and log of its own."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

PROGRAM = "/usr/sbin/sshd"


def needs_sshd() -> None:
    """Skip where there is no sshd, in one line that says what to install; fail where the lab is required."""
    if not Path(PROGRAM).exists():
        if os.environ.get("QUARTERDECK_LAB") == "required":
            pytest.fail("sshd is missing: apt-get install openssh-server", pytrace=False)
        pytest.skip("needs sshd: apt-get install openssh-server")


def keygen(path: Path, *more: str, kind: str = "ed25519", passphrase: str = "") -> Path:
    subprocess.run(
        ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-f", str(path), *more], check=True, stdin=subprocess.DEVNULL
    )
    return path


def poll(what: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Whether something comes true within a deadline."""
    until = time.monotonic() + seconds
    while not what():
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


def descendants(pid: int) -> list[int]:
    """All processes below one, from /proc."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            fields = stat.read_text().rpartition(") ")[2].split()
            children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found: list[int] = []
    left = [pid]
    while left:
        below = children.get(left.pop(), [])
        found += below
        left += below
    return found


@dataclass
class Sshd:
    """One server. `config` is an ssh_config that knows it, with a known_hosts of the test's own."""

    folder: Path
    extra: tuple[str, ...] = ()
    port: int = 0
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def identity(self) -> Path:
        return self.folder / "id"

    @property
    def known_hosts(self) -> Path:
        return self.folder / "known_hosts"

    @property
    def config(self) -> Path:
        return self.folder / "ssh_config"

    @property
    def lookup(self) -> str:
        return f"[127.0.0.1]:{self.port}"

    @property
    def host_key(self) -> str:
        """`kind base64`."""
        return " ".join((self.folder / "host").with_suffix(".pub").read_text().split()[:2])

    @property
    def user(self) -> str:
        return getpass.getuser()

    def start(self) -> Sshd:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self.port:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                self.port = probe.getsockname()[1]
        if not (self.folder / "host").exists():
            keygen(self.folder / "host")
            keygen(self.identity)
            (self.folder / "authorized_keys").write_text((self.folder / "id.pub").read_text())
            self.know(f"{self.lookup} {self.host_key}")
            self.config.write_text(
                f"UserKnownHostsFile {self.known_hosts}\nGlobalKnownHostsFile none\nIdentityAgent none\n"
            )
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where sshd started by root goes to before a login
        (self.folder / "sshd_config").write_text(
            "\n".join(
                (
                    *self.extra,
                    "ListenAddress 127.0.0.1",
                    f"Port {self.port}",
                    f"HostKey {self.folder}/host",
                    "PidFile none",
                    "UsePAM no",
                    "PasswordAuthentication no",
                    "KbdInteractiveAuthentication no",
                    "StrictModes no",
                    "PermitRootLogin yes",
                    "MaxStartups 100",
                    "LogLevel VERBOSE",
                    f"AuthorizedKeysFile {self.folder}/authorized_keys",
                    "SetEnv SHLVL=3",  # or bash would read this machine's start-up file for every command
                    "",
                )
            )
        )
        self.process = subprocess.Popen(
            [PROGRAM, "-D", "-f", str(self.folder / "sshd_config"), "-E", str(self.folder / "log")],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        assert poll(self._answers), (self.folder / "log").read_text()
        return self

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1) as probe:
            return probe.recv(4) == b"SSH-"
        return False

    def know(self, *lines: str) -> None:
        self.known_hosts.write_text("".join(f"{line}\n" for line in lines))

    def sessions(self) -> list[int]:
        """Processes that serve connections, not what they run."""
        assert self.process is not None
        found = []
        for pid in descendants(self.process.pid):
            with contextlib.suppress(OSError):
                if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"sshd: "):
                    found.append(pid)
        return found

    def signal_sessions(self, number: int) -> int:
        pids = self.sessions()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        return len(pids)

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def stop(self) -> None:
        if self.process is None:
            return
        for pid in [self.process.pid, *self.sessions()]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
                os.kill(pid, signal.SIGKILL)
        self.process.wait(10)
        self.process = None


@contextlib.contextmanager
def running(folder: Path, *extra: str) -> Iterator[Sshd]:
    needs_sshd()
    server = Sshd(folder, extra)
    try:
        yield server.start()
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)

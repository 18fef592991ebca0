"""Commands on warm hosts: ours beside OpenSSH with a control master and beside plain paramiko, in one run.

The hosts are sshd's on loopback, so the figures are overheads; a real link adds its round trips (ours: one for a
command, two for one with standard input).
"""

from __future__ import annotations

import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from console.hosts.base import Guard
from console.hosts.command import Command
from console.hosts.config import HostConfig
from console.hosts.ssh import SshHost
from tests.console.hosts.sshd import PROGRAM, Sshd, running

COMMANDS = 20
HOSTS = 20
ROUNDS = 5
TRUE = Command(argv=("true",))
BUDGET = {"one host": 0.15, "all hosts": 0.10}
"""Seconds, DESIGN section 7."""


def timed(what: Callable[[], object], rounds: int = ROUNDS) -> list[float]:
    """Seconds of each round; one before is not counted."""
    what()
    taken = []
    for _ in range(rounds):
        began = time.perf_counter()
        what()
        taken.append(time.perf_counter() - began)
    return taken


def row(name: str, taken: Sequence[float], budget: float | None = None) -> None:
    middle = statistics.median(taken)
    verdict = "" if budget is None else f"budget {budget:.2f} s: {'kept' if middle <= budget else 'MISSED'}"
    print(f"{name:<52} {middle:7.3f}  {min(taken):6.3f}-{max(taken):6.3f}  {verdict}")


def ours(server: Sshd, name: str = "box") -> SshHost:
    host = SshHost(
        HostConfig(
            name,
            "127.0.0.1",
            user=server.user,
            port=server.port,
            identity=str(server.identity),
            ssh_config=str(server.config),
        )
    )
    host.connect()
    return host


def plain(server: Sshd, *, nodelay: bool) -> tuple[Callable[[], None], Callable[[], None]]:
    """A paramiko client as its documentation shows it; (run one command, close)."""
    import socket

    import paramiko

    client = paramiko.SSHClient()
    client.load_host_keys(str(server.known_hosts))
    sock = None
    if nodelay:
        sock = socket.create_connection(("127.0.0.1", server.port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client.connect(
        "127.0.0.1",
        server.port,
        server.user,
        key_filename=str(server.identity),
        allow_agent=False,
        look_for_keys=False,
        sock=sock,
    )

    def one() -> None:
        _, out, _ = client.exec_command("true")
        out.read()
        assert out.channel.recv_exit_status() == 0

    return one, client.close


def master(server: Sshd, folder: Path) -> tuple[Callable[[], None], Callable[[], None]]:
    """OpenSSH with a control master that is already open; (run one command, close)."""
    base = [
        "ssh", "-F", str(server.config), "-i", str(server.identity), "-o", f"ControlPath={folder}/%p",
        "-o", "BatchMode=yes", "-p", str(server.port), f"{server.user}@127.0.0.1",
    ]  # fmt: skip
    subprocess.run([*base, "-M", "-N", "-f"], check=True, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def one() -> None:
        subprocess.run([*base, "true"], check=True, stdin=subprocess.DEVNULL)

    def close() -> None:
        subprocess.run([*base, "-O", "exit"], check=False, stderr=subprocess.DEVNULL)

    return one, close


def guarded(host: SshHost, folder: Path) -> Callable[[], None]:
    """One guarded command after the other, each an attempt of its own with an intent record."""
    ground = folder / "app" / ".quarterdeck"
    ground.mkdir(parents=True)
    (ground / "gate").touch()
    (ground / "fence").write_text("1 bench\n")
    count = iter(range(1, 1_000_000))
    command = Command(argv=("true",), writes=True)

    def one() -> None:
        guard = Guard(str(folder / "app"), "1 bench", "run", "step", next(count), '{"kind":"intent"}')
        assert host.guarded(command, guard).rc == 0

    return one


def main() -> None:
    """Print the table. Raises RuntimeError without sshd."""
    if not Path(PROGRAM).exists():
        raise RuntimeError("needs sshd: apt-get install openssh-server")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="qd-bench-")))
        servers = [stack.enter_context(running(folder / f"sshd{n}")) for n in range(HOSTS)]
        first = servers[0]
        host = ours(first)
        stack.callback(host.close)
        print(f"{'hosts, warm, sshd on loopback':<52} {'median':>7}  {'min-max, s':>13}")

        row(f"{COMMANDS} commands on one host: Quarterdeck", timed(lambda: [host.run(TRUE) for _ in range(COMMANDS)]),
            BUDGET["one host"])  # fmt: skip
        for name, (one, close) in (
            ("ssh, control master open", master(first, folder)),
            ("paramiko, as documented", plain(first, nodelay=False)),
            ("paramiko with TCP_NODELAY", plain(first, nodelay=True)),
        ):
            row(f"{COMMANDS} commands on one host: {name}", timed(lambda one=one: [one() for _ in range(COMMANDS)]))  # type: ignore[misc]
            close()

        hosts = [ours(server, f"box{n}") for n, server in enumerate(servers)]
        with ThreadPoolExecutor(HOSTS) as pool:
            row(f"1 command on {HOSTS} hosts: Quarterdeck",
                timed(lambda: list(pool.map(lambda h: h.run(TRUE), hosts))), BUDGET["all hosts"])  # fmt: skip
            for name, make in (
                ("ssh, control masters open", lambda server: master(server, folder)),
                ("paramiko with TCP_NODELAY", lambda server: plain(server, nodelay=True)),
            ):
                pairs = [make(server) for server in servers]
                row(f"1 command on {HOSTS} hosts: {name}",
                    timed(lambda pairs=pairs: list(pool.map(lambda pair: pair[0](), pairs))))  # type: ignore[misc]  # fmt: skip
                for _, close in pairs:
                    close()
        for one_host in hosts:
            one_host.close()

        run = guarded(host, folder)
        row(f"{COMMANDS} guarded commands on one host: Quarterdeck", timed(lambda: [run() for _ in range(COMMANDS)]))

        def cold() -> None:
            fresh = ours(first)
            fresh.close()

        row("connect, with 'ssh -G' and first facts: Quarterdeck", timed(cold))


if __name__ == "__main__":
    main()

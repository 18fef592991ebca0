"""The people at the test machine: its own user and two more, each with a key that the hosts' deploy account accepts."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.lab.places import CHECKOUT, DEPLOY_USER, HERE, HOSTS, Places
from tests.lab.prerequisites import PATH
from tests.lab.processes import LabError, run

OPERATORS = {"tester": None, "op1": "opone", "op2": "optwo"}
"""Name → OS user; None is the user who runs the tests. A lab of another number adds that to the OS users' names."""


@dataclass(frozen=True)
class Operator:
    """One person: an OS user of the test machine with a home folder, a key, an ssh_config and a known_hosts."""

    name: str
    user: str | None
    """The OS user, or None for the user who runs the tests."""
    home: Path

    @property
    def ssh_config(self) -> Path:
        return self.home / ".ssh" / "config"

    @property
    def known_hosts(self) -> Path:
        return self.home / ".ssh" / "known_hosts"

    @property
    def key(self) -> Path:
        return self.home / ".ssh" / "id_ed25519"

    @property
    def env(self) -> dict[str, str]:
        """A small, clean environment: nothing of the test run's own is carried over."""
        user = self.user or pwd.getpwuid(os.geteuid()).pw_name
        return {"HOME": str(self.home), "USER": user, "LOGNAME": user, "PATH": PATH, "LANG": "C.UTF-8"}

    def argv(self, *argv: str, cwd: str | Path = "/") -> list[str]:
        """`argv`, wrapped so that the test run (root) starts it as this operator; the process number stays the same.

        Folders of the interpreter and of the checkout that this user could not enter are opened for this command alone.
        """
        if self.user is None:
            return ["env", "-C", str(cwd), *argv]
        shut = [f"{closed}={folder}" for folder in _needed() if (closed := _closed_above(folder)) is not None]
        stage = self.home.parent / "stage"
        script = str(HERE / "operator-run.sh")
        inside = ["sh", script, self.user, str(stage), *shut, "--", *argv]
        return ["unshare", "--mount", "--propagation", "private", "env", f"LAB_WORKING_DIRECTORY={cwd}", *inside]

    def run(
        self,
        *argv: str,
        env: dict[str, str] | None = None,
        cwd: str | Path = "/",
        stdin: str | None = None,
        timeout_s: float = 120,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as this operator; `env` is added to the clean environment. Does not judge the exit code."""
        return run(
            *self.argv(*argv, cwd=cwd), env={**self.env, **(env or {})}, stdin=stdin, timeout_s=timeout_s, check=False
        )

    def ssh(self, host: str, *argv: str, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a command on a host with OpenSSH, as this operator."""
        return self.run("/usr/bin/ssh", "-F", str(self.ssh_config), host, *argv, timeout_s=timeout_s)


def operators(places: Places) -> dict[str, Operator]:
    """The three operators by name: tester (the user who runs the tests), op1 and op2."""
    folder = places.folder / "operators"
    suffix = str(places.number or "")
    return {name: Operator(name, user and user + suffix, folder / name) for name, user in OPERATORS.items()}


def ensure_users(places: Places) -> None:
    """Make the OS users deploy, opone and optwo where they are missing."""
    if not _exists(DEPLOY_USER):
        run("useradd", "--no-create-home", "--home-dir", f"/home/{DEPLOY_USER}", "--shell", "/bin/bash", DEPLOY_USER)
        run("usermod", "--password", "*", DEPLOY_USER)  # no password, but not locked: sshd refuses locked accounts
    run("usermod", "--append", "--groups", "docker", DEPLOY_USER)
    (places.folder / "operators" / "stage").mkdir(parents=True, exist_ok=True)
    for operator in operators(places).values():
        if operator.user is not None and not _exists(operator.user):
            run("useradd", "--no-create-home", "--home-dir", str(operator.home), "--shell", "/bin/bash", operator.user)
        elif operator.user is not None and pwd.getpwnam(operator.user).pw_dir != str(operator.home):
            run("usermod", "--home", str(operator.home), operator.user)


def remove_users(places: Places) -> None:
    """Remove the OS users that ensure_users made; deploy only when no other lab is up, since they share it."""
    shared = () if list(Path("/sys/class/net").glob("qdlab*")) else (DEPLOY_USER,)
    for user in (*shared, *(operator.user for operator in operators(places).values())):
        if user is not None and _exists(user):
            run("userdel", user, check=False)


def end_processes(places: Places) -> None:
    """End every process of the operators' OS users: what a test left behind, a detached runner say."""
    names = [operator.user for operator in operators(places).values()]
    users = {pwd.getpwnam(name).pw_uid for name in names if name is not None and _exists(name)}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if entry.stat().st_uid in users:
                    os.kill(int(entry.name), signal.SIGKILL)


def reset(places: Places) -> str:
    """End what operators left running and write each one's home afresh: keys, ssh_config and known_hosts are there
    again, everything else is gone. Returns the text of deploy's authorized_keys.
    """
    end_processes(places)
    lines = []
    for operator in operators(places).values():
        for old in operator.home.iterdir() if operator.home.exists() else ():
            if old.name != ".ssh":
                shutil.rmtree(old) if old.is_dir() and not old.is_symlink() else old.unlink()
        operator.key.parent.mkdir(parents=True, exist_ok=True)
        if not operator.key.exists():
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", operator.name, "-f", str(operator.key))
        lines.append(operator.key.with_suffix(".pub").read_text())
        operator.known_hosts.write_text("".join(known_hosts_line(places, host) + "\n" for host in HOSTS))
        config = "".join(f"Host {host}\n  HostName {places.ip(host)}\n" for host in HOSTS)
        config += f"Host *\n  User {DEPLOY_USER}\n  IdentityFile {operator.key}\n  IdentitiesOnly yes\n"
        config += f"  UserKnownHostsFile {operator.known_hosts}\n  StrictHostKeyChecking yes\n  BatchMode yes\n"
        operator.ssh_config.write_text(config)
        owner = operator.user or pwd.getpwuid(os.geteuid()).pw_name
        run("chown", "-R", f"{owner}:", str(operator.home))
        run("chmod", "-R", "u=rwX,go=", str(operator.home))
    return "".join(lines)


def known_hosts_line(places: Places, host: str) -> str:
    """The line of a known_hosts file for a host, under its name and its address."""
    kind, key = (places.host_folder(host) / "hostkey.pub").read_text().split()[:2]
    return f"{host},{places.ip(host)} {kind} {key}"


def _exists(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True


def _needed() -> list[Path]:
    return [CHECKOUT, *{Path(sys.prefix), Path(sys.base_prefix)} - {CHECKOUT}]


def _closed_above(folder: Path) -> Path | None:
    """The first folder on the way to `folder` that other users may not enter."""
    for above in reversed(folder.parents):
        if not above.stat().st_mode & 0o001:
            if above == Path("/"):
                raise LabError("/ cannot be entered by other users")
            return above
    return None

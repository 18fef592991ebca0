"""How a runner is started so that it outlives the login, and whether it will: looked at, then decided.

A session of its own is enough where nothing ends what a login leaves behind. Where logind does, or where the login is
itself a part of the user's service manager, only a unit of a manager that lingers goes on. `decide` is pure.

`systemd-run --scope` replaces itself by the command (measured with 252): the process keeps its number, and what was
opened for it, so that the keyring's key reaches it by the same descriptor as ever.
"""

from __future__ import annotations

import getpass
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

SCOPE = ("systemd-run", "--user", "--scope", "--collect", "--quiet", "--description=Quarterdeck runner", "--")
ASK_S = 3.0
"""How long loginctl may take to answer."""
LINGER = "loginctl enable-linger"
_SESSION = re.compile(r"/session-[^/]+\.scope(/|$)")
_KILLS = ("KillUserProcesses", "KillOnlyUsers", "KillExcludeUsers")

Within = Literal["session", "manager", "elsewhere"]


class Login(NamedTuple):
    """What decides whether a process outlives the login that starts it."""

    within: Within = "elsewhere"
    """What we are a part of: a login's session, the user's service manager (a desktop's terminal), or neither."""
    manager: str = ""
    """The runtime directory in which the user's own service manager answers; empty where there is none."""
    tool: bool = False
    """Whether there is a `systemd-run`."""
    linger: bool = False
    """Whether the manager stays when the last login ends."""
    kills: bool = False
    """Whether logind ends what a login of this user leaves behind."""


class Start(NamedTuple):
    """How a runner is started."""

    words: tuple[str, ...] = ()
    """Stand before its own."""
    environ: Mapping[str, str] = MappingProxyType({})
    """Is added to its environment."""
    outlives: bool = True
    """Whether it goes on when the login ends."""
    how: str = ""
    """A sentence about that."""
    mend: str = ""
    """What to do where it does not."""


def decide(login: Login) -> Start:
    """How to start a runner from such a login."""
    reachable = bool(login.manager) and login.tool
    words = SCOPE if reachable and (login.linger or login.within == "manager") else ()
    environ = {"XDG_RUNTIME_DIR": login.manager} if words else {}
    if words and login.linger:
        how = "runners are started in a scope of your lingering service manager: they outlive the login"
        return Start(words, environ, how=how)
    if login.within == "manager" and not login.linger:
        how = (
            "a runner that is started here ends when you log out: then your service manager stops, and all it holds "
            "with it"
        )
        return Start(words, environ, outlives=False, how=how, mend=f"let it linger: {LINGER}")
    if login.within == "session" and login.kills:
        how = (
            "a runner that is started here ends when you log out: logind ends what a login leaves behind "
            "(KillUserProcesses=yes)"
        )
        mend = f"let your service manager linger: {LINGER}"
        if login.linger:
            missing = "your service manager does not answer" if login.tool else "there is no systemd-run"
            mend = f"you linger, but {missing}: log in anew, or set XDG_RUNTIME_DIR=/run/user/{os.getuid()}"
        return Start(outlives=False, how=how, mend=mend)
    return Start(how="runners get a session of their own; nothing here ends them with the login")


def here() -> Start:
    """How a runner is started from this process, now: linger may have been switched on meanwhile."""
    return decide(look(os.environ))


def look(environ: Mapping[str, str], run: Callable[..., Any] = subprocess.run, cgroup: str | None = None) -> Login:
    """What is so here. Asks loginctl only where something depends on it. `cgroup`: text of /proc/self/cgroup."""
    uid = os.getuid()
    within = within_of(_own_cgroup() if cgroup is None else cgroup, uid)
    manager = manager_of(environ.get("XDG_RUNTIME_DIR") or f"/run/user/{uid}", uid)
    tool = shutil.which("systemd-run", path=environ.get("PATH")) is not None
    if within == "elsewhere" and not manager:
        return Login(within, manager, tool)
    linger = properties(_asked(run, str(uid), "Linger")).get("Linger") == "yes"
    kills = within == "session" and kills_of(properties(_asked(run, *_KILLS, of="")), getpass.getuser())
    return Login(within, manager, tool, linger, kills)


def within_of(cgroup: str, uid: int) -> Within:
    """What the text of /proc/self/cgroup says that a process is a part of."""
    for line in cgroup.splitlines():
        number, _, rest = line.partition(":")
        kind, _, path = rest.partition(":")
        if (number, kind) != ("0", "") and kind != "name=systemd":
            continue
        if f"/user@{uid}.service" in path:
            return "manager"
        if _SESSION.search(path):
            return "session"
    return "elsewhere"


def manager_of(runtime: str, uid: int) -> str:
    """The runtime directory, if it is this user's own and a service manager answers there; else empty.

    Another user's (`sudo -E` keeps the variable) would have his manager start our runner.
    """
    try:
        if Path(runtime).stat().st_uid != uid:
            return ""
    except OSError:
        return ""
    for socket in ("systemd/private", "bus"):
        try:
            if stat.S_ISSOCK(Path(runtime, socket).stat().st_mode):
                return runtime
        except OSError:
            continue
    return ""


def properties(text: str) -> dict[str, str]:
    """`NAME=VALUE` lines as loginctl prints them."""
    return {name: value for name, equals, value in (line.partition("=") for line in text.splitlines()) if equals}


def kills_of(found: Mapping[str, str], user: str) -> bool:
    """Whether logind ends what a login of `user` leaves behind (logind.conf: KillUserProcesses and its two lists)."""
    if found.get("KillUserProcesses") != "yes" or user in found.get("KillExcludeUsers", "").split():
        return False
    only = found.get("KillOnlyUsers", "").split()
    return not only or user in only


def _asked(run: Callable[..., Any], *names: str, of: str | None = None) -> str:
    """Properties of a user, named by the first word, or of logind itself where `of` is empty."""
    user, names = (names[:1], names[1:]) if of is None else ((), names)
    argv = ["loginctl", "show-user", *user, *(f"--property={name}" for name in names)]
    try:
        said = run(argv, capture_output=True, timeout=ASK_S, check=False)
    except (OSError, subprocess.SubprocessError):
        return ""
    return str(bytes(said.stdout).decode("utf-8", "replace"))


def _own_cgroup() -> str:
    try:
        return Path("/proc/self/cgroup").read_text("utf-8", "replace")
    except OSError:
        return ""


def launch(
    start: Start, words: Sequence[str], output: int | Any = subprocess.DEVNULL, descriptors: Sequence[int] = ()
) -> subprocess.Popen[bytes]:
    """Start `console.runner` with these words: from `/`, in a session of its own; of ours it gets only `descriptors`.

    Only the numbers of descriptors stand among its words. Raises OSError.
    """
    return subprocess.Popen(
        [*start.words, sys.executable, "-P", "-m", "console.runner", *words],
        cwd="/",
        env={**os.environ, **start.environ} if start.environ else None,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
        pass_fds=descriptors,
    )

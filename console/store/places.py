"""Where the console keeps its own things on this machine. Only the demo, which several may look at, knows better."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import NamedTuple

from console.store.mounts import network_type

LOCAL = Path("/var/tmp")
"""Local on any Linux, writable by all, and kept over a reboot (File Hierarchy Standard)."""
_OURS = frozenset(
    {"store.sqlite3", "spool", "runner-logs", "keyring", "demo", "screens", "damaged", "audit-key", "wake.lock"}
)
"""What lies in a state directory."""


class PlaceUnusable(Exception):
    """A directory of ours cannot be used as it is. A sentence that names it and says what to do."""

    exit_code = 2


class Places(NamedTuple):
    """The directories of one user, made on first use, 0700."""

    state: Path
    config: Path
    instead: str = ""
    """Why the state lies elsewhere than it was asked for, in a sentence; empty where it does not."""

    @property
    def database(self) -> Path:
        """The store."""
        return self.state / "store.sqlite3"

    @property
    def spools(self) -> Path:
        """Output of runs, one file each."""
        return self.state / "spool"

    def spool(self, run: str) -> Path:
        """The spool file of a run."""
        return self.spools / f"{run}.log"

    @property
    def keyring(self) -> Path:
        """The sealed file, in a directory of its own."""
        return self.state / "keyring" / "sealed.json"

    @property
    def logs(self) -> Path:
        """What runners say that is not a run's output: crashes."""
        return self.state / "runner-logs"


def places() -> Places:
    """The directories by the environment: QUARTERDECK_STATE_DIR and XDG_STATE_HOME, XDG_CONFIG_HOME.

    The state directory and what lies in it are made here, on a local file system. Raises PlaceUnusable.
    """
    config = _xdg("XDG_CONFIG_HOME", _home() / ".config") / "quarterdeck"
    state, instead = chosen(state_root())
    made = Places(state, config, instead)
    for directory in (made.state, made.spools, made.logs):
        private(directory)
    return made


def state_root() -> Path:
    """Where our state is asked to lie, whether it is there or not: QUARTERDECK_STATE_DIR, else below XDG_STATE_HOME."""
    given = os.environ.get("QUARTERDECK_STATE_DIR")
    return (Path(given) if given else _xdg("XDG_STATE_HOME", _home() / ".local" / "state") / "quarterdeck").absolute()


def local_root() -> Path:
    """Where it lies if it was asked to lie on a network: local, and kept over a reboot."""
    return LOCAL / f"quarterdeck-{os.getuid()}"


def chosen(asked: Path) -> tuple[Path, str]:
    """Where the state lies, and why not where it was asked for: what lies on a network file system is kept locally."""
    kind = network_type(asked)
    if not kind:
        return asked, ""
    local = local_root()
    if network_type(local):
        return asked, (
            f"The state directory {asked} is on a network file system ({kind}), and {local} is none that is local. Two "
            "machines that use it at once can damage the store. Set QUARTERDECK_STATE_DIR to a local directory."
        )
    return local, (
        f"The state directory {asked} is on a network file system ({kind}), where a store is not safe: {local} is used "
        "instead, on this machine alone; what was kept in the other is not seen, its sealed keyring neither. Set "
        "QUARTERDECK_STATE_DIR to choose a local one."
    )


def _home() -> Path:
    return Path(os.environ.get("HOME") or "~").expanduser()


def _xdg(name: str, default: Path) -> Path:
    """A variable of the XDG base directory specification; relative values are to be ignored (specification 0.8)."""
    value = os.environ.get(name, "")
    return Path(value) if value.startswith("/") else default


def private(directory: Path) -> None:
    """Make `directory` 0700 and ours, or raise PlaceUnusable.

    One that was there before and that others may use is only closed to them if it holds nothing, or our things: a
    home, /srv or /tmp named by mistake stays as it is.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = directory.lstat()
    except OSError as error:
        raise PlaceUnusable(
            f"{directory} cannot be made ({error.strerror}). Set QUARTERDECK_STATE_DIR to a directory of yours."
        ) from error
    if not stat.S_ISDIR(found.st_mode):
        raise PlaceUnusable(f"{directory} is not a directory of its own (a link, perhaps). Name the real one.")
    if found.st_uid != os.getuid():
        raise PlaceUnusable(f"{directory} belongs to another user. Set QUARTERDECK_STATE_DIR to a directory of yours.")
    if stat.S_IMODE(found.st_mode) & 0o077:
        strange = None if directory.name in _OURS else _strange(directory)
        if strange is not None:
            raise PlaceUnusable(
                f"{directory} can be read by others and is not Quarterdeck's own, since it holds {strange}. "
                f"Set QUARTERDECK_STATE_DIR to a directory of its own, or run: chmod 700 {directory}"
            )
        try:
            directory.chmod(0o700)
        except OSError as error:
            raise PlaceUnusable(f"{directory} can be read by others. Run: chmod 700 {directory}") from error


def _strange(directory: Path) -> str | None:
    """Something in it that is not of ours, or None."""
    return next((one.name for one in directory.iterdir() if one.name.removesuffix("-journal") not in _OURS), None)

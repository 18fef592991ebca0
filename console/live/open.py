"""Opening a profile: which one is meant, whether it is trusted, its variables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from console.session import AskFailed, NoProfile, NotTrusted

if TYPE_CHECKING:
    from console.store.records import Records
    from profiles.loader import Found
    from profiles.models import Profile

DEMO = "demo"


def find(name: str | None, config: Path) -> Found:
    """Which profile is meant. Raises NoProfile, AskFailed."""
    from profiles.errors import ProfileErrors
    from profiles.loader import find_profile

    try:
        found = find_profile(name, Path.cwd(), config)
    except ProfileErrors as error:
        raise AskFailed(str(error)) from error
    if found is None:
        raise NoProfile(
            f"There is no profile: no ./quarterdeck.yaml here, and no {config / 'profile.yaml'}.",
            (
                "try the demo: quarterdeck demo",
                "begin a profile: quarterdeck profile init",
                "or name one: quarterdeck -p FILE",
            ),
        )
    return found


def load(found: Found, variables: Mapping[str, str] | None) -> Profile:
    """The profile, with the demo's variables where it is the demo. Raises AskFailed with every mistake."""
    from profiles.errors import ProfileErrors
    from profiles.loader import load_profile

    if variables is None and found.name == DEMO:
        variables = demo_variables()
    try:
        return load_profile(found.name if found.origin == "built-in" else found.path, variables)
    except ProfileErrors as error:
        raise AskFailed(str(error)) from error


def demo_variables() -> Mapping[str, str]:
    """What the demo's profile needs to know of the demo that runs here. Raises AskFailed where none does."""
    from console.demo.control import DemoError, DemoSystem

    system = DemoSystem()
    if not system.is_running():
        raise AskFailed("The demo system is not running.", ("start it: quarterdeck demo",))
    try:
        return system.variables()
    except DemoError as error:
        raise AskFailed(str(error)) from error


def check_trust(found: Found, profile: Profile, records: Records) -> None:
    """A profile of the working directory names commands that would run under our name: trusted once, by its digest.

    Raises NotTrusted with what a person needs to decide.
    """
    if found.origin != "working directory" or profile.source is None:
        return
    if records.remembered(trust_key(profile.source.digest)):
        return
    raise NotTrusted(
        f"{found.path} has not been trusted yet: it decides which hosts are reached and which commands run there.",
        str(found.path),
        profile.source.digest,
        [f"{host.name}: {'this machine' if host.local else host.destination}" for host in profile.hosts.values()],
        named(profile),
    )


ARGVS = frozenset(("argv", "command", "current", "known", "heads", "upgrade"))
FILES = frozenset(("ssh_config", "known_hosts", "identity", "upload", "file"))


def named(profile: Profile) -> list[str]:
    """Every command that a profile names, and every file here that it reads, for whoever decides on trusting it."""
    found: set[str] = set()

    def walk(value: object, key: str = "") -> None:
        if isinstance(value, dict):
            for name, inner in value.items():
                walk(inner, str(name))
        elif isinstance(value, list):
            words = [one for one in value if isinstance(one, str)]
            if words and key in ARGVS:
                found.add(" ".join(words))
            elif words and key in FILES:
                found.update(f"reads {one}" for one in words)
            else:
                for one in value:
                    walk(one, key)
        elif isinstance(value, str) and key in FILES:
            found.add(f"reads {value}")

    walk(profile.model_dump(mode="json", exclude={"source"}))
    return sorted(found)


def trust_key(digest: str) -> str:
    """Under which key of the store a trusted digest is remembered."""
    return f"trusted:{digest}"

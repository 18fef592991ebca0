"""What a session answers before it is open: why it cannot, how the keyring is, what happened.

Apart from `console.session`, which hands them on, so that the first paint imports nothing that only an open session
gives: plans, runs, releases.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from console.watch.views import State

ARMED_S = 900.0
"""An environment stays armed for so long after its last use."""


class AskFailed(Exception):
    """What was asked could not be done. The text is a whole sentence; `ways_out` say what to do.

    Both may quote what hosts, servers and file names say, and go to the terminal: they are sanitised here.
    """

    def __init__(self, sentence: str, ways_out: Sequence[str] = (), exit_code: int = 2) -> None:
        from console.text.sanitise import clean_text

        super().__init__(clean_text(sentence))
        self.ways_out = tuple(clean_text(way) for way in ways_out)
        self.exit_code = exit_code

    def mask(self, redact: Callable[[str], str]) -> None:
        """Take secrets out of the sentences."""
        self.args = (redact(str(self)),)
        self.ways_out = tuple(redact(way) for way in self.ways_out)


class Locked(AskFailed):
    """The keyring is locked: `unlock` first, then ask again."""


class SessionBound(AskFailed):
    """The hosts are reached by an SSH agent that goes away with this login, and nobody has said that he knows."""


class NoProfile(AskFailed):
    """There is no profile to open. The text says where it was looked for; the console offers demo and init."""


class NotTrusted(AskFailed):
    """`open` met a profile of the working directory that nobody trusts yet: shown, then `trust_profile` or leave."""

    def __init__(
        self, sentence: str, path: str, digest: str, hosts: Sequence[str] = (), commands: Sequence[str] = ()
    ) -> None:
        from console.text.sanitise import clean

        super().__init__(sentence, exit_code=4)
        self.path = clean(path)
        self.digest = digest
        self.hosts = tuple(clean(host) for host in hosts)
        self.commands = tuple(clean(command) for command in commands)


class KeyringShown(NamedTuple):
    """State of the keyring for the top line."""

    state: Literal["none needed", "unread", "unmade", "locked", "unlocked", "unavailable"]
    """`unread`: it has not answered yet. `unmade`: there is none yet; the first passphrase makes it."""
    where: str = ""
    problem: str = ""


class Happening:
    """Something to tell the person: a toast, kept in the list of events. Its text is sanitised, wherever it is from."""

    def __init__(self, text: str, tone: State = "ok", at: float = 0.0) -> None:
        from console.text.sanitise import clean_text

        self.text = clean_text(text)
        self.tone: State = tone
        self.at = at

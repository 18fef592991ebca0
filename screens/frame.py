"""What top line and key line say of a screen: environment, armed or not, keyring, lock, run; the keys that work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from console.commands import LABELS
from screens.widgets.key_line import KeyHint
from screens.widgets.top_line import TopState
from screens.words import moment

if TYPE_CHECKING:
    from console.commands import ConsoleCommand
    from screens.base import Deck

KEYRING = {
    "unread": "keyring not read yet",
    "unmade": "no keyring yet",
    "locked": "keyring locked",
    "unavailable": "no keyring",
    "unlocked": "keyring open",
}
WHILE_TYPING = ("escape", "tab", "f1")
"""Keys that are no characters; so are those with `ctrl+` or `shift+`."""
UNMASKED = "secrets masked by their form only"
"""Said while the keyring is not open: the redactor knows no value then, and finds only what looks like a secret."""


def top_state(screen: Deck[Any]) -> TopState:
    """The top line of a screen."""
    bridge = screen.bridge
    view = bridge.known.environment(screen.environment)
    until = bridge.armed_until(screen.environment)
    run = bridge.known.running(screen.environment)
    ring = bridge.session.keyring()
    wrong = ring.state in ("locked", "unavailable")
    now = bridge.clock()
    lock = ""
    if view.lock is not None and run is None:
        lock = f"locked by {view.lock.who}" + (f": {view.lock.reason}" if view.lock.reason else "")
    running = ""
    if run is not None:
        running = f"{run.title} {run.state}" + (f": {run.step}" if run.step else "")
    return TopState(
        system=bridge.known.title,
        environment=view.title,
        production=view.production,
        mode=""
        if not screen.environment
        else "read-only"
        if until is None
        else f"armed until {moment(until, now)[:5]}",
        armed=until is not None,
        keyring=(f"{KEYRING[ring.state]}: {UNMASKED}" if wrong else KEYRING.get(ring.state, "")),
        keyring_wrong=wrong,
        lock=lock,
        running=running,
        running_state=run.state if run is not None else "",
        stale=f"last known, from {moment(view.at, now)}" if view.stale and view.at else "",
        screen=screen.words(),
    )


def is_typing(screen: Deck[Any]) -> bool:
    """Whether what has the focus takes characters."""
    return screen.focused is not None and screen.focused.check_consume_key("a", "a")


def keys_that_work(command: ConsoleCommand, typing: bool) -> list[str]:
    """The keys of a command that do not end up in a field."""
    return [key for key in command.keys if not typing or "+" in key or key in WHILE_TYPING]


def key_hints(screen: Deck[Any]) -> list[KeyHint]:
    """The keys that work now, those of the pane with the focus first; a write key that is not armed is quiet.

    While something is typed, a key that would be typed as well is none: its command is shown with another one, or not.
    """
    typing = is_typing(screen)
    hints: list[KeyHint] = []
    seen: set[str] = set()
    for depth, taker in enumerate(screen.takers()):
        for command in sorted(taker.commands(), key=lambda one: one.scope == "app"):
            keys = keys_that_work(command, typing)
            if not command.footer or not keys or command.id in seen:
                continue
            seen.add(command.id)
            state = taker.check_action("command", (command.id,))
            if state is False:
                continue
            near = 0 if command.id == "help" else 1 if command.id == "back" else 1 + depth + (command.scope == "app")
            hints.append(KeyHint(LABELS.get(keys[0], keys[0]), command.title, near, state is True))
    return hints

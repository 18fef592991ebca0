"""ONE table of what the console can be asked to do. Keys, footer, help, palette and `:` are all made from it.

Lives just below the screens. A screen declares which scope it is in and handles a command in a method named
`do_<id>`; the table says what the command is called, what it does, which keys call it and whether it changes anything.
Actions (deploy, rollback…) are plug-ins: they come from `console.plugins` and are offered by the commands `action` and
by the shortcuts below, which name an action by its entry point's name only.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

Scope = Literal[
    "app",
    "dashboard",
    "environments",
    "checklist",
    "metrics",
    "logs",
    "run",
    "runs",
    "plan",
    "releases",
    "credentials",
]
Danger = Literal["none", "records", "writes"]
"""`writes` needs the environment to be armed; the others never do. What stops harm (cancel, undo, resume) is `none`.
`records` touches no host, but what it says is kept under the person's name: a read-only console refuses it."""


class ConsoleCommand(NamedTuple):
    """One thing the console can be asked to do."""

    id: str
    title: str
    help: str
    keys: tuple[str, ...]
    """Textual key names; the first is shown. Empty: by palette and `:` only."""
    scope: Scope
    danger: Danger = "none"
    footer: bool = False
    """Whether the bottom line shows it when there is room."""
    action: str | None = None
    """Name of the plug-in action that it starts."""

    @property
    def key_label(self) -> str:
        """The first key as people write it: `?`, `ctrl+p`, `enter`."""
        return LABELS.get(self.keys[0], self.keys[0]) if self.keys else ""


LABELS = {
    "question_mark": "?",
    "slash": "/",
    "colon": ":",
    "minus": "-",
    "escape": "esc",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "exclamation_mark": "!",
    "full_stop": ".",
}


def _c(
    id: str,  # noqa: A002 - the table reads better with the field's own name
    title: str,
    help: str,  # noqa: A002
    keys: str,
    scope: Scope,
    danger: Danger = "none",
    *,
    footer: bool = False,
    action: str | None = None,
) -> ConsoleCommand:
    return ConsoleCommand(id, title, help, tuple(keys.split()), scope, danger, footer, action)


COMMANDS: tuple[ConsoleCommand, ...] = (
    _c("help", "Help", "Every key that works here, and what it does.", "question_mark f1", "app", footer=True),
    _c("palette", "Commands", "Find a command by a few letters of its name.", "colon ctrl+p", "app", footer=True),
    _c("quit", "Quit", "Leave the console. Runs go on; the next console shows them.", "q ctrl+q", "app"),
    _c("back", "Back", "Go back to where you were.", "minus escape", "app", footer=True),
    _c("arm", "Arm or disarm", "Allow changes to this environment for 15 minutes, or take that back.", "A", "app"),
    _c("runs", "Runs", "Every run that is known here or on the hosts.", "w", "app", footer=True),
    _c("releases", "Releases", "What is live, what was live, and what can be gone back to.", "R", "app"),
    _c("credentials", "Credentials", "What each is for, how old, when due; never a value.", "C", "app"),
    _c("events", "Reports", "What was reported lately: toasts that went by while you looked away.", "n", "app"),
    _c("keyring", "Unlock the keyring", "Give the passphrase of the keyring, once a session.", "K", "app"),
    _c("mouse", "Mouse", "Let go of the mouse so that the terminal can select text, or take it back.", "m", "app"),
    _c("refresh", "Look again", "Read everything again now.", "ctrl+r", "app"),
    _c("screenshot", "Save the screen", "Write the screen as text and as a picture to a file.", "ctrl+s", "app"),
    _c("next_environment", "Next environment", "Show the next environment.", "right_square_bracket", "dashboard"),
    _c("previous_environment", "Previous environment", "Show the one before.", "left_square_bracket", "dashboard"),
    _c("next_pane", "Next pane", "Move to the next pane.", "tab", "dashboard", footer=True),
    _c("previous_pane", "Previous pane", "Move to the pane before.", "shift+tab", "dashboard"),
    _c("zoom", "Zoom", "Give the pane the whole screen, or give it back.", "z", "dashboard", footer=True),
    _c("waiting", "Run that waits", "Open the run that nobody executes, or that asks something.", "r", "dashboard"),
    _c("deploy", "Deploy", "Plan a release for this environment.", "d", "app", "writes", footer=True, action="deploy"),
    _c("rollback", "Roll back", "Plan a way back to a release.", "b", "app", "writes", footer=True, action="rollback"),
    _c(
        "rotate",
        "Rotate",
        "Plan a new value of a credential, everywhere, proved.",
        "V",
        "app",
        "writes",
        action="rotate",
    ),
    _c("action", "Other actions", "Every action there is, with what it does.", "a", "app", "writes"),
    _c("shell", "Shell", "A shell on the host or in the chosen service; it goes into the audit.", "s", "app", "writes"),
    _c("lock", "Lock or unlock", "Keep everybody's runs out of this environment, and say why.", "L", "app", "writes"),
    _c("open", "Open", "What explains the chosen line.", "enter", "app"),
    _c("filter", "Filter", "Show only what matches; ! in front turns it round.", "slash", "app", footer=True),
    _c("tick", "Tick or untick", "Say that the item is done, under your name.", "space", "checklist", "records"),
    _c("verify", "Verify", "Run the item's own check now.", "v", "checklist"),
    _c("import", "Read the document again", "Take over what changed in the checklist's file.", "i", "checklist"),
    _c(
        "store",
        "Store a value",
        "Type a value for the chosen credential, masked.",
        "t",
        "credentials",
        "writes",
        footer=True,
    ),
    _c("check", "Check", "Prove that it works against what it is for.", "v", "credentials", footer=True),
    _c("remove", "Remove", "Take it out of the keyring; its name is typed.", "x", "credentials", "writes", footer=True),
    _c("follow", "Follow", "Stay with the newest line, or stop.", "f", "logs", footer=True),
    _c("wrap", "Wrap", "Break long lines, or cut them.", "W", "logs"),
    _c("timestamps", "Times", "Show or hide the time of each line.", "t", "logs"),
    _c("next_error", "Next error", "Jump to the next line that is an error.", "e", "logs"),
    _c("previous_error", "Error before", "Jump to the error before.", "E", "logs"),
    _c("mark", "Mark", "Mark the line; copy then takes everything from there to the chosen line.", "space", "logs"),
    _c("copy", "Copy", "Copy the chosen lines.", "y", "logs"),
    _c("confirm", "Go on", "Confirm the plan that is shown.", "g", "plan", "writes", footer=True),
    _c("cancel", "Cancel the run", "Stop it as its step allows, then choose undo or leave.", "c", "run", footer=True),
    _c("undo", "Undo the run", "Take back what it did, in reverse.", "u", "run", footer=True),
    _c("resume", "Resume", "Go on with a run whose runner died, or that is parked.", "r", "run", footer=True),
    _c("now", "Skip the wait", "Go on with a parked run before its time; wants a reason.", "N", "run"),
    _c(
        "leave",
        "Leave as it is",
        "Take nothing back: end a run that asks what to do, and say so.",
        "l",
        "run",
        footer=True,
    ),
    _c("show_plan", "Plan", "The plan that this run executes.", "p", "run", footer=True),
    _c("stay", "Follow", "Stay with the step that works and the newest output, or stop.", "f", "run", footer=True),
    _c("whole", "All output", "The output of all steps, or of the chosen one.", "o", "run"),
)
"""The table. An id is unique in its scope together with `app`; so is a key (a test holds both)."""


def in_scope(*scopes: Scope) -> Iterator[ConsoleCommand]:
    """The commands that work where a screen says it is: those of its scopes and of the whole app, in table order."""
    wanted = {"app", *scopes}
    return (command for command in COMMANDS if command.scope in wanted)


def by_id(id: str) -> ConsoleCommand:  # noqa: A002
    """The command of that id. Raises KeyError."""
    for command in COMMANDS:
        if command.id == id:
            return command
    raise KeyError(id)

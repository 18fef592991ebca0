"""The door between the table of commands and Textual: bindings made from the table, handed to `do_<id>` methods."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual.binding import Binding, BindingType
from textual.dom import DOMNode

from console.commands import COMMANDS, ConsoleCommand, Scope

if TYPE_CHECKING:
    from screens.base import Deck


@cache
def commands_of(
    kind: type, scopes: tuple[Scope, ...], only: frozenset[str] | None = None
) -> tuple[ConsoleCommand, ...]:
    """The table's commands of those scopes that this class has a method for, in table order; with `only`, of these."""
    return tuple(
        one
        for one in COMMANDS
        if one.scope in scopes and (only is None or one.id in only) and hasattr(kind, f"do_{one.id}")
    )


def bindings_of(kind: type, scopes: tuple[Scope, ...], only: frozenset[str] | None) -> list[BindingType]:
    """Textual's bindings for them; ids are `<scope>.<command>`, so that a key map can change any key."""
    return [
        Binding(
            ",".join(one.keys),
            f"command('{one.id}')",
            one.title,
            show=one.footer,
            key_display=one.key_label,
            tooltip=one.help,
            id=f"{one.scope}.{one.id}",
        )
        for one in commands_of(kind, scopes, only)
        if one.keys
    ]


class Commanded(DOMNode):
    """Something that commands of the table can be given to: a screen or a pane."""

    SCOPES: ClassVar[tuple[Scope, ...]] = ()
    ONLY: ClassVar[frozenset[str] | None] = None
    """If given, of those scopes only these commands."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        own = [
            one
            for one in cls.__dict__.get("BINDINGS", ())
            if not str(getattr(one, "action", "")).startswith("command(")
        ]
        cls.BINDINGS = [*own, *bindings_of(cls, cls.SCOPES, cls.ONLY)]
        super().__init_subclass__(**kwargs)

    def commands(self) -> tuple[ConsoleCommand, ...]:
        """The commands that can be given here, in table order."""
        return commands_of(type(self), self.SCOPES, self.ONLY)

    def action_command(self, id: str) -> None:  # noqa: A002 - the table's word
        """A key of the table was pressed."""
        screen = cast("Deck[Any]", self.screen)
        command = next((one for one in self.commands() if one.id == id), None)
        if command is None or not screen.may(command):
            return
        getattr(self, f"do_{id}")()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Write commands are grey while not armed, and not there at all in a read-only console."""
        if action != "command":
            return True
        screen = cast("Deck[Any]", self.screen)
        command = next((one for one in self.commands() if one.id == parameters[0]), None)
        if command is None:
            return False
        if screen.never(command):
            return False
        if screen.needs_arming(command) and not screen.bridge.armed(screen.environment):
            return None
        return self.offers(command)

    def offers(self, command: ConsoleCommand) -> bool | None:
        """Whether a command makes sense now: True, None (grey) or False (not shown)."""
        return True

"""The credentials: what they are for, how old, when due, whether they were proved to work. Never a value."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from console.session import CredentialShown
from screens.changing import Changing
from screens.entry import Entry
from screens.listing import ListScreen
from screens.page import Words
from screens.theme import mark
from screens.widgets.table import Cell, Column, Row, RowTable
from screens.words import when

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from screens.known import Bridge

COLUMNS = (
    Column("", 1),
    Column("credential", 14, grow=2),
    Column("age", 7),
    Column("due", 10),
    Column("checked", 12, 2),
    Column("fingerprint", 12, 3),
    Column("used by", 16, 4, grow=4),
)
STATES: dict[str, tuple[str, str]] = {
    "overdue": ("bad", "bad"),
    "due": ("warn", "warn"),
    "not set": ("unknown", "unknown"),
    "unknown": ("unknown", "unknown"),
    "fine": ("ok", "dim"),
    "no rule": ("ok", "dim"),
}
"""Standing to the state whose mark it gets, and to the tone of its words."""
ORDER = ("overdue", "due", "unknown", "not set", "fine", "no rule")


class CredentialsScreen(ListScreen):
    """Enter shows one in full; t stores a value, v proves that it works, x takes it out of the keyring."""

    SCOPES = ("app", "credentials")
    TITLE_WORDS = "credentials"

    def __init__(self, bridge: Bridge, environment: str) -> None:
        super().__init__(bridge, environment)
        self.credentials: tuple[CredentialShown, ...] = ()

    def do_credentials(self) -> None:
        """It is open already."""

    def body(self) -> ComposeResult:
        yield RowTable(COLUMNS, symbols=self.bridge.symbols, empty="reading the credentials", id="credentials")

    def do_refresh(self) -> None:
        self.ask("credentials", self.bridge.session.credentials, self._show, self.unread)

    def _show(self, credentials: tuple[CredentialShown, ...]) -> None:
        self.credentials = tuple(sorted(credentials, key=lambda one: (ORDER.index(one.state), one.name)))
        self.table.empty = "this profile names no credential, and none is stored for it"
        self.draw()

    def draw(self) -> None:
        self.table.show([self._row(one) for one in self.credentials])

    def _row(self, one: CredentialShown) -> Row:
        state, tone = STATES[one.state]
        shown = mark(state, self.bridge.symbols)
        plain: Any = "unknown" if one.state == "not set" else "plain"
        words: Any = tone
        others = [label for label in one.labels if label != "current"]
        return Row(
            one.name,
            (
                Cell(shown.glyph if one.state not in ("fine", "no rule") else "", shown.tone),
                Cell(one.name + (f" + {', '.join(others)}" if others else ""), plain),
                Cell(f"{one.age_days} d" if one.age_days is not None else "not set", words),
                Cell(_due(one), words),
                Cell(when(one.verified_at, self.bridge.clock()), "dim"),
                Cell(one.fingerprint, "dim"),
                Cell("; ".join(one.used), "dim"),
            ),
        )

    @property
    def chosen(self) -> CredentialShown | None:
        """The credential under the cursor."""
        key = self.table.cursor_key
        return next((one for one in self.credentials if one.name == key), None)

    def do_open(self) -> None:
        from screens.detail import TextScreen

        if (one := self.chosen) is None:
            return
        now = self.bridge.clock()
        age = f"{one.age_days} days, set {when(one.set_at, now)}" if one.age_days is not None else "not set"
        rule = _rule(one) + {"overdue": "   OVERDUE", "due": "   due now"}.get(one.state, "")
        facts = [
            ("kind", one.kind + (f", fields {', '.join(one.fields)}" if one.fields else "")),
            ("age", age),
            ("due", rule),
            ("checked", when(one.verified_at, now) or "not since it was set"),
            ("fingerprint", one.fingerprint or "-"),
            ("values", ", ".join(one.labels) or "none"),
            ("from", one.where or "-"),
            ("used by", "\n".join(one.used) or "nothing that this profile names"),
        ]
        about, heading = f"credential {one.name}", f"{one.name}   {one.title}"
        self.app.push_screen(TextScreen(self.bridge, self.environment, about, heading, facts))

    def do_store(self) -> None:
        if (one := self.chosen) is not None:
            self.app.push_screen(StoreScreen(self.bridge, self.environment, one), self._changed)

    def do_check(self) -> None:
        if (one := self.chosen) is None:
            return
        self.say(f"Trying {one.name} against what it is for.")
        self.ask("check", partial(self.bridge.session.check_credential, one.name), partial(self._checked, one.name))

    def _checked(self, name: str, found: tuple[str, str]) -> None:
        verdict, evidence = found
        tone = {"yes": "ok", "no": "bad"}.get(verdict, "warn")
        words = {"yes": "works", "no": "does NOT work"}.get(verdict, "could not be proved")
        self.say(f"{name} {words}: {evidence}", tone)
        self.do_refresh()

    def do_remove(self) -> None:
        if (one := self.chosen) is None:
            return
        if one.state == "not set" and not one.labels:
            self.say(f"{one.name} is not set: there is nothing to remove.", "warn")
            return
        self.app.push_screen(RemoveScreen(self.bridge, self.environment, one), self._changed)

    def _changed(self, _: object) -> None:
        """A field may have been stored before the rest was not."""
        self.do_refresh()

    def do_rotate(self) -> None:
        """Plan a new value of the chosen one."""
        self.begin("rotate", **({"credential": one.name} if (one := self.chosen) is not None else {}))


def _rule(one: CredentialShown) -> str:
    if not one.due:
        return "no rule in the profile"
    return f"{one.due}, overdue on {one.overdue}" if one.overdue != one.due else f"{one.due}, overdue from then on"


def _due(one: CredentialShown) -> str:
    return {"overdue": "OVERDUE", "due": "due"}.get(one.state, one.due)


class StoreScreen(Changing):
    """Stores a value that is typed masked: whole, or field by field. It is handed to the session and nowhere kept."""

    AUTO_FOCUS = "Entry"

    def __init__(self, bridge: Bridge, environment: str, one: CredentialShown) -> None:
        super().__init__(bridge, environment)
        self.one = one
        self.todo = list(one.fields) or [""]

    def told(self) -> ComposeResult:
        yield Words((f"Store {self.one.name}", "head"), (f"  {self.one.title}", "dim"))
        replaced = "It replaces the value that is there now." if self.one.labels else "It is not set yet."
        yield Words(f"{replaced} Only its fingerprint is ever shown.")

    def body(self) -> ComposeResult:
        yield Words(self._asks(), id="asks")
        yield Entry(password=True, placeholder="value", id="value")
        yield Words(id="problem")
        yield Words(("enter", "key"), " store   ", ("esc", "key"), " not now")

    def _asks(self) -> str:
        field = self.todo[0]
        count = f" ({len(self.one.fields) - len(self.todo) + 1} of {len(self.one.fields)})" if field else ""
        return f"The field {field}{count}:" if field else "Its value:"

    def on_input_submitted(self, event: Entry.Submitted) -> None:
        """Store it, in a thread."""
        event.stop()
        if self.busy:
            return
        typed = event.value
        self.query_one("#value", Entry).value = ""
        if not typed:
            self._problem("Nothing was typed, and nothing was stored.")
            return
        question = partial(self.bridge.session.set_credential, self.one.name, typed, self.todo[0])
        self.change("Storing it.", question, self._stored)

    def _stored(self, _: None) -> None:
        self.todo.pop(0)
        if not self.todo:
            self.say(f"{self.one.name} is stored.")
            self.dismiss()
            return
        self.query_one("#asks", Words).say(self._asks())
        self._problem("")


class RemoveScreen(Changing):
    """Takes a credential out of the keyring once its name is typed."""

    AUTO_FOCUS = "#name"

    def __init__(self, bridge: Bridge, environment: str, one: CredentialShown) -> None:
        super().__init__(bridge, environment)
        self.one = one

    def told(self) -> ComposeResult:
        yield Words((f"Remove {self.one.name} from the keyring", "head"))
        if self.one.used:
            yield Words((f"Used by {'; '.join(self.one.used)}: that stops working with the next use.", "warn"))
        yield Words(f"Every value of it goes: {', '.join(self.one.labels)}. Nothing brings it back. Type its name.")

    def body(self) -> ComposeResult:
        yield Entry(placeholder=self.one.name, id="name")
        yield Words(id="problem")
        yield Words(("enter", "key"), " remove it   ", ("esc", "key"), " leave it as it is")

    def on_input_submitted(self, event: Entry.Submitted) -> None:
        """Remove it when the name is right."""
        event.stop()
        if self.busy:
            return
        if event.value.strip() != self.one.name:
            self._problem(f"That is not {self.one.name}: nothing was removed.")
            return
        question = partial(self.bridge.session.remove_credential, self.one.name)
        self.change("Removing it.", question, self._removed)

    def _removed(self, _: None) -> None:
        self.say(f"{self.one.name} is removed from the keyring.")
        self.dismiss()

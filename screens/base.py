"""What every screen is: its environment, its frame, and the commands of the whole console.

A screen names its scopes; from the table of commands come its bindings, and a command ends in the method `do_<id>` of
the pane that has the focus, else of the screen. A command that writes works only while the screen's environment is
armed; its key says how to arm until then.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, cast

from textual.message import Message
from textual.widget import Widget

from console.answers import AskFailed, Happening
from console.commands import ConsoleCommand, Scope
from screens.asking import Asking, Declined
from screens.commanded import Commanded
from screens.frame import key_hints, top_state
from screens.known import Bridge, News
from screens.widgets.frame import Frame
from screens.widgets.key_line import KeyLine
from screens.widgets.top_line import TopLine, TopState

if TYPE_CHECKING:
    from textual import events
    from textual.app import ComposeResult

    from screens.panes.filtering import FilterLine
    from screens.widgets.table import RowTable

R = TypeVar("R")


class Fresh(Message):
    """The session told news; the app has already made them known."""

    def __init__(self, news: News) -> None:
        super().__init__()
        self.news = news


class ArmedChanged(Message):
    """An environment was armed or disarmed, or its time ran out."""


class Deck(Commanded, Asking, Generic[R]):
    """A screen on one environment. It is handed whom to ask and what is known; it keeps nothing else."""

    SCOPES: ClassVar[tuple[Scope, ...]] = ("app",)
    AUTO_FOCUS: ClassVar[str | None] = None
    TITLE_WORDS: ClassVar[str] = ""
    """What the top line says after the environment: `runs`, `plan`."""
    DEFAULT_CSS = """
    Deck { background: $background; color: $foreground; }
    """
    """Opaque: Textual paints whatever lies below a screen that is not, and goes round in circles where several are not.
    Rules for `Screen` do not reach a deck, since its style names follow its first base only."""

    def __init__(self, bridge: Bridge, environment: str) -> None:
        super().__init__()
        self.bridge = bridge
        self.environment = environment
        self._filtered: RowTable | None = None
        self._away = False

    # -- drawing -------------------------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        """Top line, the screen's body, key line. They are red at once in production: to turn red restyles them all."""
        production = self.bridge.known.environment(self.environment).production
        self.set_class(production, "production")
        red = "-production" if production else None
        with Frame(id="frame", classes=red):
            yield TopLine(TopState("", "", production), symbols=self.bridge.symbols, id="top")
            yield from self.body()
            yield KeyLine(symbols=self.bridge.symbols, id="keys", classes=red)

    def body(self) -> ComposeResult:
        """What stands between top line and key line."""
        return iter(())

    def words(self) -> str:
        """What the top line says that this screen is."""
        return self.TITLE_WORDS

    def on_mount(self) -> None:
        """Draw what is known."""
        self.draw_frame()
        self.draw()

    def draw(self) -> None:
        """Draw the body from what is known. Called when it is mounted, and after news."""

    def draw_frame(self) -> None:
        """Draw top line and key line, and the frame that says production."""
        production = self.bridge.known.environment(self.environment).production
        self.set_class(production, "production")
        for frame in self.query(Frame):
            frame.show_production(production)
        for top in self.query(TopLine):
            top.show(top_state(self))
        self.draw_keys()

    def draw_keys(self) -> None:
        """Draw the key line: it depends on the pane that has the focus, and on what is armed.

        Behind a sheet it says which keys work in that: those of the screen below do not.
        """
        front = self.app.screen_stack[-1] if self._away and self.app.screen_stack else self
        shown = front if isinstance(front, Deck) else self
        production = self.bridge.known.environment(self.environment).production
        for keys in self.query(KeyLine):
            keys.show(key_hints(shown), production=production)

    def on_descendant_focus(self) -> None:
        """Other keys work in another pane."""
        self.draw_keys()

    def on_screen_suspend(self) -> None:
        """Another screen is in front."""
        self._away = True
        self.draw_keys()

    def on_screen_resume(self) -> None:
        """Back in front: draw what happened meanwhile."""
        if self._away:
            self._away = False
            self.draw_frame()
            self.draw()

    def on_fresh(self, message: Fresh) -> None:
        """News from the session."""
        message.stop()
        self.draw_frame()
        self.news(message.news)

    def news(self, news: News) -> None:
        """Draw what is new. The whole body unless a screen knows better."""
        self.draw()

    def on_armed_changed(self, message: ArmedChanged) -> None:
        """Show that changes are allowed now, or no longer."""
        message.stop()
        self.draw_frame()

    def filter_rows(self, table: RowTable) -> None:
        """Type a filter for the rows of the screen's table."""
        from screens.panes.filtering import FilterLine

        if not self.query(FilterLine):
            self._filtered = table
            parent = table.parent
            if isinstance(parent, Widget):
                parent.mount(FilterLine(table.filter_text), before=table)

    def on_filter_line_typed(self, message: FilterLine.Typed) -> None:
        """Filter while typing."""
        message.stop()
        if (table := self._filtered) is None:
            return
        table.set_filter(message.text)
        if message.done:
            for line in self.query("FilterLine"):
                line.remove()
            table.focus()

    # -- commands ------------------------------------------------------------------------------------------------

    def needs_arming(self, command: ConsoleCommand) -> bool:
        """Whether it works only while the environment is armed."""
        return command.danger == "writes"

    def never(self, command: ConsoleCommand) -> bool:
        """Whether it changes something, and this console changes nothing."""
        return command.danger != "none" and self.bridge.read_only

    def may(self, command: ConsoleCommand) -> bool:
        """Whether a command may be given now; says how to arm if not. Using a command keeps the environment armed."""
        if self.never(command):
            self.say(self.how_to_arm(command), "warn")
            return False
        if not self.needs_arming(command):
            return True
        if not self.bridge.armed(self.environment):
            self.say(self.how_to_arm(command), "warn")
            return False
        self.bridge.session.arm(self.environment, True)
        self.app.post_message(ArmedChanged())
        return True

    def offers(self, command: ConsoleCommand) -> bool | None:
        """There is no way back from the first screen."""
        if command.id == "back" and len(self.app.screen_stack) < 2:
            return False
        return super().offers(command)

    def how_to_arm(self, command: ConsoleCommand) -> str:
        """The answer to a write key that does nothing yet."""
        if not self.environment:
            return f"{command.title}: no environment is known yet."
        if self.bridge.read_only:
            return f"{command.title}: this console was opened with --read-only and changes nothing."
        return f"{command.title}: {self.environment} is read-only. Press A to allow changes for 15 minutes."

    def why_not(self, command: ConsoleCommand) -> str:
        """Why a command cannot be given now, in a sentence; empty where it can."""
        waits = self.needs_arming(command) and not self.bridge.armed(self.environment)
        return self.how_to_arm(command) if waits or self.never(command) else ""

    def on_key(self, event: events.Key) -> None:
        """The key of a command that cannot be given now is answered, not swallowed: nobody presses it again."""
        for command in (one for taker in self.takers() for one in taker.commands() if event.key in one.keys):
            if why := self.why_not(command):
                event.stop()
                event.prevent_default()
                self.say(why, "warn")
            return

    def takers(self) -> Iterator[Commanded]:
        """Who commands are given to: the pane with the focus, then the screen."""
        for node in self.focused.ancestors_with_self if self.focused is not None else (self,):
            if isinstance(node, Commanded):
                yield node

    def give(self, id: str) -> bool:  # noqa: A002
        """Give a command as if its key had been pressed. False if nobody here takes it."""
        for taker in self.takers():
            if any(one.id == id for one in taker.commands()) and taker.check_action("command", (id,)) is not False:
                taker.action_command(id)
                return True
        return False

    def unlock_first(self, message: Declined) -> None:
        """Have the keyring unlocked, then ask again."""
        from screens.unlock import UnlockScreen

        def unlocked(done: bool | None) -> None:
            if done:
                message.again()
            else:
                message.failed(message.error)

        self.app.push_screen(UnlockScreen(self.bridge, self.environment), unlocked)

    def say(self, text: str, tone: str = "ok") -> None:
        """A toast, kept in the list of reports."""
        from screens.reports import report

        words = self.bridge.session.redacted(text)
        report(self.app, self.bridge, Happening(words, cast("Any", tone), self.bridge.clock()))

    # -- commands of the whole console ---------------------------------------------------------------------------

    def do_help(self) -> None:
        from screens.frame import is_typing
        from screens.help import HelpScreen

        takers = tuple(self.takers())
        self.app.push_screen(HelpScreen(self.bridge, self.environment, takers, typing=is_typing(self)))

    def do_palette(self) -> None:
        from screens.palette import PaletteScreen

        def chosen(word: str | None) -> None:
            if word is not None:
                self.call_next(self.typed, word)

        self.app.push_screen(PaletteScreen(self.bridge, self.environment, tuple(self.takers())), chosen)

    def typed(self, word: str) -> None:
        """Do what was chosen in the palette: a command, an action, another environment."""
        kind, _, name = word.partition(" ")
        if kind == "action":
            self.begin(name)
        elif kind == "environment":
            self.go_to(name)
        else:
            self.give(kind)

    def go_to(self, environment: str) -> None:
        """Show this screen for another environment; nothing while none is known yet."""
        if environment not in self.bridge.known.order:
            return
        self.environment = environment
        try:
            self.bridge.session.watch(environment)
        except AskFailed as error:
            self.declined(error)
        self.draw_frame()
        self.draw()

    def do_quit(self) -> None:
        from screens.quit import leave

        leave(self)

    def do_back(self) -> None:
        if len(self.app.screen_stack) > 1:
            self.dismiss()

    def do_arm(self) -> None:
        if self.bridge.read_only:
            self.say("This console was opened with --read-only: nothing can be armed in it.", "warn")
            return
        if not self.environment:
            self.say("No environment is known yet: there is nothing to arm.", "warn")
            return
        armed = self.bridge.armed(self.environment)
        self.bridge.session.arm(self.environment, not armed)
        self.say(
            f"{self.environment} is read-only again." if armed else f"Changes to {self.environment} are allowed now."
        )
        self.app.post_message(ArmedChanged())

    def do_runs(self) -> None:
        from screens.runs import RunsScreen

        self.app.push_screen(RunsScreen(self.bridge, self.environment))

    def do_releases(self) -> None:
        from screens.releases import ReleasesScreen

        self.app.push_screen(ReleasesScreen(self.bridge, self.environment))

    def do_credentials(self) -> None:
        from screens.credentials import CredentialsScreen

        self.app.push_screen(CredentialsScreen(self.bridge, self.environment))

    def do_events(self) -> None:
        from screens.reports import ReportsScreen

        self.app.push_screen(ReportsScreen(self.bridge, self.environment))

    def do_keyring(self) -> None:
        from screens.unlock import UnlockScreen

        state = self.bridge.session.keyring()
        if state.state in ("locked", "unmade"):
            self.app.push_screen(UnlockScreen(self.bridge, self.environment))
        else:
            words = {
                "unlocked": "it is open",
                "none needed": "this profile needs no keyring",
                "unread": "it has not answered yet",
            }
            said = words.get(state.state, state.state)
            self.say(f"Nothing to unlock: {state.problem or said}.")

    def do_refresh(self) -> None:
        self.bridge.session.refresh()
        self.say("Looking at everything again.")

    def do_mouse(self) -> None:
        from screens.terminal import toggle_mouse

        self.say(
            "The mouse belongs to the console again."
            if toggle_mouse(self.app)
            else "The mouse belongs to the terminal now: select text as usual; m takes it back."
        )

    def do_screenshot(self) -> None:
        from screens.terminal import save_screen

        self.ask("screenshot", partial(save_screen, *_pictures(self)), lambda said: self.say(said))

    def do_deploy(self) -> None:
        self.begin("deploy")

    def do_rollback(self) -> None:
        self.begin("rollback")

    def do_rotate(self) -> None:
        self.begin("rotate")

    def begin(self, action: str, **values: str) -> None:
        """Open the form of an action, with what is known already filled in."""
        from screens.form import FormScreen

        self.app.push_screen(FormScreen(self.bridge, self.environment, action, values))

    def do_action(self) -> None:
        from screens.actions import ActionsScreen

        self.app.push_screen(ActionsScreen(self.bridge, self.environment))

    def do_lock(self) -> None:
        from screens.lock import LockScreen

        self.app.push_screen(LockScreen(self.bridge, self.environment))

    def do_shell(self) -> None:
        from screens.terminal import open_shell

        open_shell(self, *self.place())

    def explain(self, kind: str, name: str, meanwhile: str = "", below: tuple[str, Sequence[str]] = ("", ())) -> None:
        """Open what explains something of this environment; `below`: a heading and lines that stand under it."""
        from screens.detail import DetailScreen

        self.app.push_screen(DetailScreen(self.bridge, self.environment, kind, name, meanwhile, below))

    def place(self) -> tuple[str | None, str | None]:
        """Service and host of the chosen line, for a shell there."""
        return None, None


def _pictures(screen: Deck[Any]) -> tuple[str, str]:
    from screens.terminal import plain_text

    return screen.app.export_screenshot(), plain_text(screen)

"""One run: its steps as a tree, the output of the chosen one, what can be done about it, and how it ended.

The run does not need this screen: it reads records and spool by offset, a few times a second while the run goes on.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from textual.containers import Container

from console.commands import ConsoleCommand
from console.session import AskFailed, Choice, OutputShown, RunShown, SessionBound, StepShown
from console.timing import DEFAULT
from screens.base import Deck
from screens.known import UNFINISHED
from screens.page import Words
from screens.panes.output import OutputPane
from screens.widgets.steps import StepRow, StepTree
from screens.widgets.words import duration
from screens.words import moment

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.timer import Timer

    from screens.known import Bridge, News

Look = tuple[RunShown, str | None, tuple[OutputShown, ...]]
WORKING = ("running", "undoing")
MOVES = (*WORKING, "created, not begun")
"""States in which a run goes on by itself; in the others, but for its end, it waits for somebody or for a time."""
REMOTE_S, REST_S = 2.0, 10.0
"""How often a run is read that goes on elsewhere, and one that waits: both are asked of its hosts, over SSH."""
FAILED = ("failed", "unknown", "undo failed")
"""States of a step whose evidence says what a person must know."""
ANSWERS = ("undo", "leave", "resume")
FINISHED = "It was being taken back, and that goes on where it stopped: what is not undone yet is, in reverse."
DECISIONS = ("cancel", *ANSWERS, "now")
"""What a person decides of a run, by command."""


class RunScreen(Deck[None]):
    """Cancel, undo, resume and leave never need the environment to be armed."""

    AUTO_FOCUS = "#steps"
    SCOPES = ("app", "run")
    SCOPED_CSS = False
    DEFAULT_CSS = """
    #title { height: auto; padding: 0 1; }
    #ending { height: auto; max-height: 40%; margin: 1 1 0 1; padding: 0 1; border-left: heavy $border; }
    #ending.human { background: $error; color: $background; border-left: heavy $error; padding: 1 2; max-height: 70%; }
    #whole { display: none; height: auto; max-height: 8; margin: 1 1 0 1; padding: 0 1; }
    .-wide #whole.known { display: block; }
    #split { height: 1fr; layout: vertical; }
    #split #steps { height: auto; min-height: 4; max-height: 50%; margin: 1 0; }
    .-wide #split { layout: horizontal; }
    .-wide #split #steps { width: 2fr; height: 1fr; max-height: 100%; margin: 1 0 0 0; }
    .-wide #split #output { width: 3fr; margin: 1 0 0 0; }
    """
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (120, "-wide")]  # noqa: RUF012 - typed so by Textual

    def __init__(self, bridge: Bridge, environment: str, run: str) -> None:
        super().__init__(bridge, environment)
        self.id_shown = run
        self.shown: RunShown | None = None
        self.staying = True
        """The cursor stays with the step that works, until it is moved by hand."""
        self.all_output = False
        self._looking = False
        self._look_at = 0.0
        """When it is read again, by the monotonic clock."""
        self._timer: Timer | None = None
        self._put: list[str | None] = []
        """Where this screen itself has put the cursor, in the order in which the tree will tell it."""

    def words(self) -> str:
        return f"run {self.id_shown}"

    def body(self) -> ComposeResult:
        yield Words((f"Reading run {self.id_shown}.", "dim"), id="title")
        yield Words(id="ending")
        yield Words(id="whole")
        with Container(id="split"):
            yield StepTree(symbols=self.bridge.symbols, empty="no step read yet", id="steps")
            yield OutputPane("output", self.bridge.symbols)

    def on_mount(self) -> None:
        self.query_one("#ending").display = False
        super().on_mount()
        self._timer = self.set_interval(DEFAULT.follow_s * 2, self._tick)
        self.look()

    # -- looking -------------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        """A run that nobody executes here is read from its hosts: less often, and at once when the list has news."""
        if time.monotonic() >= self._look_at:
            self.look()

    def news(self, news: News) -> None:
        for line in news.runs or ():
            if line.id == self.id_shown and self.shown is not None and line.state != self.shown.line.state:
                self.look()

    def look(self) -> None:
        """Read what is new, unless the last question is still out: a host that hangs is asked once."""
        if self._looking or not self.is_current:
            return
        self._looking = True
        output = self.query_one(OutputPane)
        self.ask("run", partial(self._read, output.read_to, output.step), self._take, self._failed)

    def _read(self, offset: int, step: str | None) -> Look:
        """In a thread: the records, then the spool from where we are."""
        session = self.bridge.session
        shown = session.run(self.id_shown)
        pieces = () if step is None and not self.all_output else tuple(session.output(self.id_shown, offset, step))
        return shown, step, pieces

    def _failed(self, error: AskFailed) -> None:
        self._looking = False
        self.query_one("#title", Words).say((" ".join((str(error), *error.ways_out)), "bad"))

    def _take(self, look: Look) -> None:
        self._looking = False
        self.shown, step, pieces = look
        self._look_at = time.monotonic() + _pause(self.shown)
        output = self.query_one(OutputPane)
        output.take(step, pieces)
        self.draw()
        if output.step != step or pieces:
            self.call_next(self.look)
        if self.shown.line.state in UNFINISHED:
            output.reopen()
            if self._timer is not None:
                self._timer.resume()
        elif not pieces and step == output.step:
            output.close()
            if self._timer is not None:
                self._timer.pause()
        self.draw_frame()

    # -- drawing -------------------------------------------------------------------------------------------------

    def draw(self) -> None:
        shown = self.shown
        if shown is None:
            return
        now = self.bridge.clock()
        line = shown.line
        tone = line.tone if line.tone in ("bad", "warn") else "accent" if line.state in UNFINISHED else "ok"
        why = f"   {shown.reason}" if shown.reason else ""
        where = f", runner: {shown.where}" if shown.where else ""
        took = f", took {duration(line.took_s)}" if line.took_s and line.state not in UNFINISHED else ""
        began = f"began {moment(line.started, now)} by {line.who}{took}{where}"
        place = "" if line.environment in line.title else f" in {line.environment}"
        left_out = f" without {', '.join(shown.without)}" if shown.without else ""
        self.query_one("#title", Words).say(
            (line.title, "strong"),
            (left_out, "warn"),
            f"{place}   ",
            (line.state, tone),
            (f"   {began}{why}", "dim"),
        )
        self._draw_ending(shown)
        tree = self.query_one("#steps", StepTree)
        tree.styles.height = None if self.has_class("-wide") else len(shown.steps)
        before = tree.cursor_key
        tree.show([_row(one, now) for one in shown.steps])
        if tree.cursor_key != before:
            self._put.append(tree.cursor_key)
        if self.staying and (working := _working(shown.steps)) is not None and working.id != tree.cursor_key:
            tree.select(working.id)
            self._put.append(working.id)
        self._choose()

    def _draw_ending(self, shown: RunShown) -> None:
        """How it ended or what it asks; before that, why it is taken back. What the title says is not said again."""
        box = self.query_one("#ending", Words)
        words = shown.ending or shown.question or shown.parked
        human = "NEEDS A HUMAN" in words.upper()
        box.set_class(human, "human")
        if not human and words.startswith(shown.line.state):
            words = words.removeprefix(shown.line.state).lstrip(": \n")
            words = "" if words == f"{shown.line.title}: done." else words
        first, _, rest = words.partition("\n")
        failed = next((one for one in shown.steps if one.state == "failed"), None)
        box.display = bool(words or (failed and not shown.ending))
        if human:
            box.say((f"{self.bridge.symbols.bad} {first}", "strong"), f"\n{rest}" if rest else "")
        elif shown.question and not shown.ending:
            box.say(("Asks: ", "warn"), (first, "strong"), f"\n{rest}" if rest else "", *self._answers(shown))
        elif words:
            box.say((first, shown.line.tone), f"\n{rest}" if rest else "")
        elif failed is not None:
            box.say(("Failed ", "bad"), (f"at {failed.title}", "strong"), f": {failed.evidence or failed.said}")

    def _answers(self, shown: RunShown) -> Iterator[tuple[str, str]]:
        """The keys that answer its question, below it."""
        between = "\n"
        for command in () if self.bridge.read_only else self.commands():
            if command.id in ANSWERS and self._can(command.id, shown):
                yield between, "plain"
                yield command.key_label, "key"
                yield f" {command.title}", "dim"
                between = "   "

    def _choose(self) -> None:
        """Show the output of the chosen step; and why it failed, whole, where a row of the tree has no room for it."""
        output = self.query_one(OutputPane)
        self._draw_reason(self._step())
        if self.all_output:
            output.begin(None, "of all steps")
        elif (step := self._step()) is not None:
            output.begin(step.id, f"of {step.title}")

    def _draw_reason(self, step: StepShown | None) -> None:
        box = self.query_one("#whole", Words)
        known = step is not None and step.state in FAILED and bool(step.evidence)
        box.set_class(known, "known")
        if known and step is not None:
            box.say((f"{step.title}: ", "strong"), (step.evidence, "bad" if step.state == "failed" else "warn"))

    def _step(self) -> StepShown | None:
        key = self.query_one("#steps", StepTree).cursor_key
        return next((one for one in self.shown.steps if one.id == key), None) if self.shown else None

    def on_row_list_moved(self, event: StepTree.Moved) -> None:
        """Moved by hand: the cursor stays there, and its output is read."""
        event.stop()
        if event.key in self._put:  # told late: another step may work by now
            self._put.remove(event.key)
            return
        working = _working(self.shown.steps) if self.shown else None
        if working is not None and event.key != working.id:
            self.staying = False
        self._choose()
        self.look()

    # -- commands ------------------------------------------------------------------------------------------------

    @staticmethod
    def _can(id_: str, shown: RunShown | None) -> bool:
        """Whether a decision can be made on the run now."""
        return shown is not None and (id_ in shown.can or (id_ == "leave" and bool(shown.question)))

    def offers(self, command: ConsoleCommand) -> bool | None:
        """Only what the run can do now."""
        if command.id not in DECISIONS:
            return super().offers(command)
        return False if self.bridge.read_only else self._can(command.id, self.shown)

    def why_not(self, command: ConsoleCommand) -> str:
        """A decision that cannot be made now says what can."""
        if command.id not in DECISIONS or self.offers(command) is True:
            return super().why_not(command)
        shown = self.shown
        if self.bridge.read_only:
            return f"{command.title}: this console was opened with --read-only and changes nothing."
        if shown is None:
            return f"{command.title}: the run is not read yet."
        left = [one.title for one in self.commands() if one.id in DECISIONS and self._can(one.id, shown)]
        instead = f" Possible: {', '.join(left)}." if left else ""
        over = "" if shown.line.state in UNFINISHED else "it is over: "
        return f"{command.title}: not possible, {over}{shown.line.state}.{instead}"

    def _question(self, title: str, words: str, then: Any) -> None:
        """Ask. What changes an environment anew, after the run is over, is confirmed as any run there is."""
        from screens.question import QuestionScreen, TypedScreen

        over = self.shown is not None and self.shown.line.state not in UNFINISHED
        try:
            wanted = self.bridge.session.confirmation(self.environment) if over else ""
        except AskFailed as error:
            self.declined(error)
            return
        asked = (
            TypedScreen(self.bridge, self.environment, title, words, wanted)
            if wanted
            else QuestionScreen(self.bridge, self.environment, title, words)
        )
        self.app.push_screen(asked, lambda yes: then() if yes else None)

    def _decide(self, choice: Choice, title: str, words: str, said: str) -> None:
        """Ask, then answer. A run that was not made here, or is taken over, is confirmed whole, with a reason."""
        if self.shown is None or not (self.shown.foreign or self.shown.take_over):
            self._question(title, words, lambda: self._answer(choice, said))
        else:
            self._confirm(choice)

    def _confirm(self, choice: Choice) -> None:
        """Answer by confirming the whole plan, with a reason."""
        from screens.plan import PlanScreen

        def show(plan: Any) -> None:
            self.app.push_screen(PlanScreen(self.bridge, plan, answer=(self.id_shown, choice)), lambda _: self._again())

        self.ask("plan", partial(self.bridge.session.plan_of, self.id_shown), show)

    def _again(self) -> None:
        if self._timer is not None:
            self._timer.resume()
        self.look()

    def _answer(self, choice: Choice, said: str, *, session_bound: bool = False) -> None:
        """Answer for the run. That its agent goes away with this login has to be typed, as before a run."""

        def refused(error: Exception) -> None:
            if not isinstance(error, SessionBound) or session_bound:
                self.say(" ".join((str(error), *getattr(error, "ways_out", ()))), "bad")
                return
            from screens.question import TypedScreen

            asked = TypedScreen(self.bridge, self.environment, f"To {choice} it all the same?", str(error))
            self.app.push_screen(asked, lambda yes: self._answer(choice, said, session_bound=True) if yes else None)

        answer = partial(self.bridge.session.answer, self.id_shown, choice, session_bound=session_bound)
        self.ask("answer", answer, lambda _: self._said(said), refused)

    def _said(self, words: str) -> None:
        self.say(words)
        self._again()

    def do_cancel(self) -> None:
        def cancel() -> None:
            words = "Asked the run to stop; it stops as its step allows."
            self.ask("cancel", partial(self.bridge.session.cancel, self.id_shown), lambda _: self._said(words))

        self._question("Cancel this run?", "It stops as its step allows. Then you choose: undo, or leave it.", cancel)

    def do_undo(self) -> None:
        words = "What it did is taken back in reverse, with the undo of its plan (p shows it)."
        title = "Undo this run?"
        if self.shown is not None:
            title = f"{'Finish the undo of' if self.shown.undoing else 'Undo'} {self.shown.line.title}?"
            words = FINISHED if self.shown.undoing else words
            words += f"\nThen {self.shown.as_before}." if self.shown.as_before else ""
        self._decide("undo", title, words, "Its undo has begun.")

    def do_resume(self) -> None:
        words = "Each step is first checked for whether it happened: nothing is done twice."
        if self.shown is not None and self.shown.line.state == "parked":
            words = "It stays parked: a runner waits from now on, and goes on with it once its time has come."
        title = "Go on with this run?"
        if self.shown is not None and self.shown.undoing:
            title, words = f"Finish the undo of {self.shown.line.title}?", FINISHED
        self._decide("resume", title, words, "It goes on.")

    def do_now(self) -> None:
        """The plan is confirmed once more: what it waits for is not over."""
        self._confirm("now")

    def do_leave(self) -> None:
        words = "Nothing is taken back. The environment stays as it is now, and the run is closed with that."
        self._decide("leave", "Leave it as it is?", words, "It was left as it is.")

    def do_show_plan(self) -> None:
        from screens.plan import PlanScreen

        def show(plan: Any) -> None:
            self.app.push_screen(PlanScreen(self.bridge, plan, done=True))

        self.ask("plan", partial(self.bridge.session.plan_of, self.id_shown), show)

    def do_stay(self) -> None:
        self.staying = not self.staying
        self.say("Following the step that works." if self.staying else "Staying with the chosen step.")
        self.draw()

    def do_whole(self) -> None:
        self.all_output = not self.all_output
        self._choose()
        self.look()

    def do_refresh(self) -> None:
        self.look()

    def do_filter(self) -> None:
        self.query_one(OutputPane).do_filter()

    def on_row_list_opened(self, event: StepTree.Opened) -> None:
        event.stop()
        self.do_open()

    def do_open(self) -> None:
        """Everything about the chosen step."""
        from screens.detail import TextScreen

        if (step := self._step()) is None:
            return
        said = step.evidence or ("none yet" if step.state in ("waiting", *WORKING) else "none")
        why = step.state in ("failed", "unknown")
        facts = [
            *((("why", said), ("", "")) if why else ()),
            ("host", step.host or "here"),
            ("command", step.command),
            ("check", step.check or "none"),
            ("undo", step.undo or "none: " + (step.no_undo or "nothing to take back")),
            *(() if why else (("evidence", said),)),
            ("attempt", str(step.attempt)),
        ]
        about, heading = f"step {step.id}", f"{step.title}: {step.state}"
        self.app.push_screen(TextScreen(self.bridge, self.environment, about, heading, facts))


def _pause(shown: RunShown) -> float:
    """Seconds until the run is read again: what moves, and a question that anybody may answer, are looked at often."""
    if shown.line.state in MOVES or shown.question:
        return 0.0 if shown.line.local else REMOTE_S
    return REST_S


def _working(steps: tuple[StepShown, ...]) -> StepShown | None:
    """The step that works now; else the one that failed or is not known; else the last that began."""
    for states in (WORKING, ("failed", "unknown")):
        for one in steps:
            if one.state in states:
                return one
    began = [one for one in steps if one.state not in ("waiting", "skipped")]
    return began[-1] if began else steps[0] if steps else None


def _row(one: StepShown, now: float) -> StepRow:
    """A step as the tree draws it. Whole seconds while it works, so that at most one line a second is sent."""
    elapsed: float | None = one.took_s or None
    if one.state in WORKING and one.started:
        elapsed = float(max(int(now - one.started), 0))
    notes = [f"attempt {one.attempt}"] if one.attempt > 1 else []
    notes += [one.said] if one.said else []
    return StepRow(one.id, one.title, one.state, one.host, elapsed, 0, ", ".join(notes))

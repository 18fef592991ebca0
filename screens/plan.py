"""A plan before it is confirmed: what changes, each command with its host and undo, what is certain and what is not."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from console.commands import ConsoleCommand
from console.session import BlockShown, Choice, PlanShown, StepShown
from screens.base import Deck
from screens.page import Page, hanging, text
from screens.words import counted, moment

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.content import Content

    from screens.known import Bridge

Answer = tuple[str, Choice]
CERTAINTY = {
    "certain": ("", "dim"),
    "conditional": ("only if needed", "warn"),
    "unknown": ("not known before it runs", "warn"),
}


class PlanScreen(Deck[None]):
    """Scrolls the whole plan; `g` asks for confirmation and starts the run. A run's own plan is shown without `g`.

    `answer`: a run is answered for by confirming its plan, instead of a new one started: one that was not made here, or
    one whose wait is skipped.
    """

    AUTO_FOCUS = "#page"
    SCOPES = ("app", "plan")
    TITLE_WORDS = "plan"

    def __init__(self, bridge: Bridge, plan: PlanShown, *, done: bool = False, answer: Answer | None = None) -> None:
        super().__init__(bridge, plan.environment)
        self.plan, self.done, self.answer = plan, done, answer
        self.starting = 0.0
        """Since when its run is being started (unix seconds); 0: it is not."""
        self.begun = False
        """Whether its run was started."""

    def body(self) -> ComposeResult:
        yield Page(id="page")

    def draw(self) -> None:
        page = self.query_one("#page", Page)
        page.show(plan_lines(self.plan, self.bridge.clock(), page.room, self.starting, self._held(), self._asked()))

    def _asked(self) -> str:
        """What is confirmed by this plan, where it is not that it is run."""
        from screens.confirm import decided

        if self.answer is None:
            return ""
        title, _, then = decided(self.answer[1], self.plan)
        return f"{title}? g asks. {then}"

    def _held(self) -> str:
        """Who holds the environment now, of a plan that could be started: its run would be refused."""
        if self.done or self.answer is not None or self.starting or self.plan.refusal:
            return ""
        known = self.bridge.known
        run, lock = known.running(self.environment), known.environment(self.environment).lock
        if run is not None:
            return f"{run.title} is {run.state} here. Until it is over, a run of this plan is refused."
        if lock is None:
            return ""
        why = f": {lock.reason}" if lock.reason else ""
        return f"Locked by {lock.who}{why}. Until it is free, a run of this plan is refused."

    def on_resize(self) -> None:
        """Break the lines anew."""
        self.draw()

    def offers(self, command: ConsoleCommand) -> bool | None:
        """`g` is there only for a plan that can be started."""
        if command.id == "confirm":
            return not (self.done or self.plan.refusal)
        return super().offers(command)

    def needs_arming(self, command: ConsoleCommand) -> bool:
        """Not to answer for a run."""
        return self.answer is None and super().needs_arming(command)

    def do_confirm(self) -> None:
        """Ask, then start."""
        from screens.confirm import ConfirmScreen

        if not (self.done or self.plan.refusal or self.starting):
            choice = self.answer[1] if self.answer is not None else None
            self.app.push_screen(ConfirmScreen(self.bridge, self.plan, choice), self._confirmed)

    def _confirmed(self, reason: str | None) -> None:
        if reason is None:
            self.say("No: nothing was started." if self.answer is None else "No: the run stays as it is.")
            return
        self.starting = self.bridge.clock()
        self.draw()
        self.query_one("#page", Page).scroll_home(animate=False)
        session, known = self.bridge.session, bool(self.plan.session_bound)
        if self.answer is not None:
            run, choice = self.answer
            answer = partial(session.answer, run, choice, self.plan.digest, reason, session_bound=known)
            self.ask("answer", answer, self._answered, self._refused)
        else:
            start = partial(session.start, self.plan, reason, session_bound=known)
            self.ask("start", start, self._started, self._refused)

    def _started(self, run: str) -> None:
        from screens.run import RunScreen

        self.begun = True
        self.app.switch_screen(RunScreen(self.bridge, self.environment, run))

    def _answered(self, _: None) -> None:
        self.dismiss()

    def _refused(self, error: Exception) -> None:
        self.starting = 0.0
        self.draw()
        self.say(" ".join((str(error), *getattr(error, "ways_out", ()))), "bad")


def plan_lines(
    plan: PlanShown, now: float, width: int, starting: float = 0.0, held: str = "", asked: str = ""
) -> Iterator[Content]:
    """The plan as paragraphs. `held`: why its run would be refused now; `asked`: what is decided of one by it."""
    if starting:
        at = moment(starting, now)
        words = (
            f"Answering, since {at}."
            if asked
            else f"Starting the run, asked at {at}. Its runner takes the locks first."
        )
        yield text((words, "accent"))
        yield text("")
    elif asked:
        yield from hanging([("! ", "warn")], asked, "warn", width)
        yield text("")
    yield text((plan.title, "head"), (f"   planned {moment(plan.made_at, now)}", "dim"))
    if plan.refusal:
        yield text("")
        yield text(("Not possible: ", "bad"), plan.refusal)
        for way in plan.ways_out:
            yield text(("  → ", "accent"), way)
        return
    if plan.foreign:
        yield from hanging([("! ", "warn")], plan.foreign, "warn", width)
    if held:
        yield from hanging([("! ", "warn")], held, "warn", width)
    yield text((f"digest {plan.digest}", "dim"))
    yield text("")
    if plan.as_before:
        fails = f"it stops and asks; undone, {plan.as_before}" if plan.asks else plan.as_before
        yield from hanging([("If it fails  ", "head")], fails, "plain", width)
        yield text("")
    for block in plan.blocks:
        yield from block_lines(block, width)
        yield text("")
    yield text((counted(len(plan.steps), "step"), "head"))
    for number, step in enumerate(plan.steps, 1):
        yield from step_lines(number, step, width)


def block_lines(block: BlockShown, width: int) -> Iterator[Content]:
    """A block: text in its tone, a table (its rows one below the other where it is too wide), or changed lines."""
    if block.title:
        yield text((block.title, "head"))
    if block.kind == "table":
        rows = [block.columns, *block.rows]
        widths = [max(len(row[at]) for row in rows if at < len(row)) for at in range(len(block.columns))]
        if sum(widths) + 2 * len(widths) > width:
            for row in block.rows:
                yield text((f"  {row[0]}", "strong"))
                for name, cell in zip(block.columns[1:], row[1:], strict=False):
                    yield from hanging([(f"    {name:<{max(map(len, block.columns))}}  ", "dim")], cell, "plain", width)
            return
        for number, row in enumerate(rows):
            words = "  ".join(f"{one:<{width}}" for one, width in zip(row, widths, strict=False))
            yield text((f"  {words.rstrip()}", "plain" if number else "dim"))
    elif block.kind == "diff":
        for line in difflib.unified_diff(block.before.splitlines(), block.after.splitlines(), lineterm="", n=1):
            if not line.startswith(("---", "+++", "@@")):
                tone = {"-": "warn", "+": "ok"}.get(line[:1], "dim")
                yield from hanging([(f"  {line[:1]}", tone)], line[1:], tone, width)
    else:
        for line in block.text.splitlines():
            yield text((f"  {line}", {"warn": "warn", "bad": "bad"}.get(block.tone, "plain")))


def step_lines(number: int, step: StepShown, width: int) -> Iterator[Content]:
    """A step: title and host, the command, what undoes it and what proves it."""
    word, tone = CERTAINTY.get(step.certainty, (step.certainty, "warn"))
    notes = "   ".join(one for one in (word, step.note) if one)
    head = [(f"{number:>3}  ", "dim"), (step.title, "strong"), (f"  {step.host or 'here'}", "accent")]
    wide = sum(len(words) for words, _ in head)
    if wide + len(notes) + 3 <= width:
        yield text(*head, (f"   {notes}", tone))
    else:
        if wide <= width:
            yield text(*head)
        else:
            yield from hanging(head[:1], f"{step.title}  {step.host or 'here'}", "strong", width)
        if notes:
            yield from hanging([("     ", "dim")], notes, tone, width)
    yield from hanging([("     $ ", "dim")], step.command, "plain", width)
    if step.check:
        yield from hanging([("     check   ", "dim")], step.check, "dim", width)
    if step.undo:
        yield from hanging([("     undo    ", "dim")], step.undo, "dim", width)
    if step.no_undo:
        yield from hanging([("     no undo ", "warn")], step.no_undo, "dim", width)
    if step.undo_check:
        yield from hanging([("     undone? ", "dim")], step.undo_check, "dim", width)
    if step.gates:
        yield from hanging([("     only if ", "dim")], ", ".join(step.gates), "dim", width)

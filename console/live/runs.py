"""Runs of a session: listed, looked at, followed, cancelled, decided, adopted."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from console.live.deciding import may_be_answered, may_be_left_out, may_still_undo
from console.live.elsewhere import Elsewhere
from console.runs.seen import DUE, PARKED
from console.session import AskFailed, Choice, OutputShown, PlanShown, RunShown, way
from console.watch.views import WAITING as WAITS
from console.watch.views import RunLine, left_to_a_person

if TYPE_CHECKING:
    from console.environment import Environment
    from console.live.ground import Ground
    from console.runs.client import Runs, Seen
    from console.runs.model import RunView
    from console.runs.reached import Likely
    from console.runs.waiting import WaitingRunner

RUNS_SHOWN = 50
WAITING = (PARKED, DUE)
NOT_BEGUN = "created, not begun"
LOOK_S, READ_S = 0.02, 0.1
"""How often who follows a run looks whether there is something to read, which costs next to nothing; and how long it
rests at least before it is read again, however much comes."""


class RunsDesk:
    """Reads what store and hosts know of runs, and writes down what a person decides."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._ended: dict[str, tuple[int, RunLine]] = {}
        """Lines of runs that have ended, by the number of the record they were made from: read once."""
        self._waiting: WaitingRunner | None = None
        self._elsewhere = Elsewhere(ground)
        self._found: dict[str, str] = {}
        """Environment of runs that only hosts know."""

    # -- listing ---------------------------------------------------------------------------------------------------

    def here(self) -> tuple[RunLine, ...]:
        """The newest runs of this system in the store, those that are parked, and what hosts were last seen to know.

        Cheap: a run that has ended is read once, and no host is asked.
        """
        known, records = self._ground.known_runs, self._ground.records
        lines: dict[str, tuple[int, RunLine]] = {}
        for run in dict.fromkeys((*known.here()[:RUNS_SHOWN], *known.parked())):
            seq, line = self._ended.get(run, (0, None))
            newest = records.last(run)
            if line is None or newest is None or newest.seq != seq:
                line = self._line(known, run)
            if line is not None:
                lines[run] = (newest.seq if newest is not None else 0, line)
        found = self._elsewhere.over(lines)
        ordered = sorted(found.values(), key=lambda line: line.id, reverse=True)
        return (*ordered[:RUNS_SHOWN], *(line for line in ordered[RUNS_SHOWN:] if line.state in WAITING))

    def parked(self, environments: Sequence[str]) -> tuple[tuple[RunLine, ...], tuple[str, ...]]:
        """*Blocking.* The runs of these environments that are parked, as far as store and hosts know; and those
        environments of which no host answered."""
        silent = self._elsewhere.look((self._ground.bound(name) for name in environments), again=True)
        lines = (line for line in self.here() if line.state in WAITING and line.environment in environments)
        return tuple(lines), silent

    def left_to_a_person(self, environments: Sequence[str]) -> tuple[RunLine, ...]:
        """Of each of these environments the run that NEEDS A HUMAN still, as far as is known without asking."""
        lines = self.here()
        return tuple(line for name in environments if (line := left_to_a_person(lines, name)) is not None)

    def waiting(self, environments: Sequence[str]) -> tuple[RunLine, ...]:
        """The runs of these environments that wait for somebody, as far as is known without asking."""
        from console.runs.client import START_S

        now = time.time()
        return tuple(
            line
            for line in self.here()
            if line.environment in environments
            and line.state in WAITS
            and (line.state != NOT_BEGUN or now - line.started > START_S)  # its runner is being started, most likely
        )

    def _line(self, known: Runs, run: str) -> RunLine | None:
        from console.live.shown import broken_line, run_line
        from console.store.records import ChainBroken

        try:
            seen = known.seen(run)
        except ChainBroken as error:
            return broken_line(run, str(error))
        if seen.view.body.get("system") != self._ground.profile.system:
            return None
        line = run_line(seen)
        if seen.view.state == "closed":
            self._ended[run] = (seen.view.seq, line)
        return line

    def everywhere(self) -> tuple[RunLine, ...]:
        """Every run known here or on the hosts that answer, newest first."""
        self.look()
        return self.here()

    def look(self, *, again: bool = False) -> None:
        """See what the hosts know of runs beyond the store. *Blocking*: each environment's first host is asked.

        `again`: nobody asked for it just now, so little is said.
        """
        self._elsewhere.look((self._ground.bound(name) for name in self._ground.profile.environments), again=again)

    def keep_house(self) -> None:
        """Once a day: let go of what need not be kept of finished runs; and lay the reserve again. Raises StoreFull."""
        from console.runs.prune import daily

        ground = self._ground
        daily(ground.records, ground.places, ground.who())
        ground.database.keep_reserve()

    # -- one run ---------------------------------------------------------------------------------------------------

    def seen(self, run: str) -> Seen:
        """A run, with what its hosts know where it is not executed here. Raises RunUnknown."""
        from console.runs.client import RunUnknown

        known = self._ground.known_runs
        environment = self._environment_of(run)
        if environment is not None:
            seen = known.seen(run, environment)
            self._elsewhere.note(seen)
            return seen
        for name in self._ground.profile.environments:
            try:
                seen = known.seen(run, self._ground.bound(name))
            except RunUnknown:
                continue
            self._found[run] = name
            self._elsewhere.note(seen)
            return seen
        raise RunUnknown(f"There is no run {run} here, nor on the hosts that answer." + self._near(run))

    def named(self, word: str, *, everywhere: bool = False) -> str:
        """The run that is meant by a part of its id; `everywhere`: by those, too, that only hosts know. AskFailed."""
        from console.live.naming import named

        beyond = (lambda: [line.id for line in self.everywhere()]) if everywhere else None
        return named(word, self._ground.known_runs.here, beyond)

    def ended_elsewhere(self, run: str) -> bool:
        """Whether the hosts say that a run, which this store takes for unfinished, was brought to its end."""
        from console.runs.client import RunUnknown
        from console.store.records import ChainBroken

        try:
            return self.seen(run).view.state == "closed"
        except (RunUnknown, ChainBroken):
            return False

    def _near(self, run: str) -> str:
        from profiles.base import nearest

        here = self._ground.known_runs.here()
        near = nearest(run, here) or next((one for one in here if run and one.endswith(run)), None)
        return f" Did you mean {near}?" if near else ""

    def _environment_of(self, run: str) -> Environment | None:
        """The environment that a known run is for, if this profile has it. Raises AskFailed."""
        if run in self._found:
            return self._ground.bound(self._found[run])
        records = self._ground.records.read(run)
        if not records:
            return None
        body = records[0].body or {}
        name, system = str(body.get("environment", "")), str(body.get("system", ""))
        if system and system != self._ground.profile.system:
            raise AskFailed(
                f"The run {run} is of the system {system}, and this profile is of {self._ground.profile.system}.",
                ("name its profile: quarterdeck -p PROFILE runs …",),
            )
        return self._ground.bound(name) if name in self._ground.profile.environments else None

    def shown(self, run: str) -> RunShown:
        """One run as its records say now."""
        from console.live.shown import run_shown

        return run_shown(self.seen(run))

    def marks(self, run: str) -> tuple[object, ...]:
        """What tells whether store or spool of a run that is executed here have changed."""
        places = self._ground.places
        return tuple(_mark(path) for path in (places.database, places.spool(run)))

    def wait_for_change(self, run: str, before: tuple[object, ...], at_most_s: float) -> None:
        """Return once the marks are not those of `before`; at most so many seconds later, and never at once."""
        ends = time.monotonic() + at_most_s
        time.sleep(min(READ_S, at_most_s))
        while self.marks(run) == before and (left := ends - time.monotonic()) > 0:
            time.sleep(min(LOOK_S, left))

    def output(self, run: str, offset: int, step: str | None) -> Iterator[OutputShown]:
        """What its spool holds from `offset` on, of one step or of all; nothing for a run executed elsewhere.

        The last piece may be empty: it says how far was looked for the step's output, where to go on.
        """
        from functools import cache

        from console.runs.effects import PART
        from console.runs.spool import read
        from console.text.sanitise import Sanitiser

        @cache
        def label(chunk: str) -> str:
            return PART.sub("", chunk)

        sanitisers: dict[str, Sanitiser] = {}
        wanted = (lambda chunk: label(chunk) == step) if step is not None else None
        for chunk in read(self._ground.places.spool(run), offset, wanted=wanted):
            sanitiser = sanitisers.setdefault(chunk.step, Sanitiser())
            lines = sanitiser.feed(chunk.data) + sanitiser.flush()
            yield OutputShown(label(chunk.step), "".join(f"{line}\n" for line in lines), chunk.next)

    def plan_of(self, run: str) -> PlanShown:
        """The plan that a run executes."""
        from console.live.masked import masked
        from console.live.shown import plan_shown
        from console.runs.api import Plan

        seen = self.seen(run)
        if seen.view.pruned:
            from console.live.shown import NOT_KEPT

            raise AskFailed(NOT_KEPT)
        view, plan = seen.view, Plan.model_validate(seen.view.body["plan"])
        foreign = ""
        if seen.foreign:
            foreign = (
                f"This run was not made here: its plan comes from the hosts of {view.environment}, which say that "
                f"{view.body.get('who', 'somebody')} made it. Read it before you answer for it."
            )
        shown = plan_shown(plan, "changes", at=view.created, params=view.body["params"], foreign=foreign)
        if foreign and view.environment in self._ground.profile.environments:
            from console.live.beforehand import told

            shown = told(shown, self._ground.bound(view.environment), self._own_hosts(plan.hosts))
        # The digest as it was made, by an older version perhaps.
        shown = shown._replace(digest=str(view.body["digest"]), undoing=view.taken_back)
        redactor = self._ground.redactor
        # Behind what only looks like a secret, whoever made the plan could hide a command.
        return masked(shown, redactor.known if foreign else redactor.text)

    # -- deciding --------------------------------------------------------------------------------------------------

    def cancel(self, run: str, then: Literal["undo", "leave"] | None = None) -> None:
        """Ask a run that is executed here to stop as its step allows, `then` what is chosen already. AskFailed."""
        seen = self.seen(run)
        if seen.view.state == "closed":
            raise AskFailed(f"The run has ended already: {seen.state}.", exit_code=4)
        if seen.holder is None:
            ways = tuple(way(word, run) for word in seen.can)
            if seen.elsewhere:
                ways = (f"take it over once it is dead: quarterdeck runs resume {run}",)
            raise AskFailed(
                f"The run is {seen.state}; nothing of it is executed by this user on this machine, so it cannot be "
                "cancelled from here.",
                ways,
                exit_code=4,
            )
        self._ground.known_runs.cancel(run, self._ground.who(), then)
        self._ground.record("asked.cancel", {"run": run, **({"then": then} if then else {})})

    def answer(
        self,
        run: str,
        choice: Choice,
        digest: str = "",
        reason: str = "",
        *,
        session_bound: bool = False,
        without: Sequence[str] = (),
    ) -> None:
        """Write down what the operator chose, and start a runner where none lives. Raises AskFailed, ClaimHeld.

        `now`: the rest of its wait is skipped, which wants a reason. `digest`: of the plan that the operator has seen
        whole, without which nothing of a run from elsewhere is begun. `without`: hosts that are left out of the run
        from now on. Raises NotToBeLeftOut.
        """
        from console.runs.create import decide, reopen_to_undo, skip

        self.make_way(run)
        seen = self.seen(run)
        view = seen.view
        if choice not in seen.can:
            can = ", ".join(seen.can) or "nothing"
            raise AskFailed(f"The run is {seen.state}; {choice} is not possible now. Possible: {can}.", exit_code=4)
        if choice == "now" and not reason.strip():
            raise AskFailed("Skipping the rest of a wait wants a reason; the audit keeps it.", exit_code=4)
        names = may_be_left_out(view, choice, without)
        if seen.foreign:
            may_be_answered(self._ground, seen, choice, digest)
        if seen.take_over and not reason.strip():
            raise AskFailed(
                f"The run's lock is that of {seen.take_over}. Taking it over wants a reason; the audit keeps it.",
                (f"quarterdeck runs {choice} {run} --reason TEXT",),
                exit_code=4,
            )
        records, who = self._ground.records, self._ground.who()
        if seen.holder is None and choice != "leave":
            self._may_log_in_again(view, names, session_bound=session_bound)
            for name in view.body["plan"].get("credentials", ()):
                self._ground.keys.get(name)  # a locked keyring is asked for now, not by a runner that has no terminal
        if view.state == "closed":
            may_still_undo(self._ground, seen, self._environment_of(run), names)
        self._ground.known_runs.take_in(seen)
        if view.state == "closed":
            reopen_to_undo(records, run, tuple(view.body["plan"]["claims"]), who, without=names)
        elif seen.parked is None or choice not in ("resume", "now"):
            decide(records, run, choice, who, without=names)
        else:  # it goes on by itself, once a runner waits for that
            if names:
                decide(records, run, "resume", who, without=names)
            if choice == "now":
                skip(records, run, who, reason)
        why: dict[str, object] = {"reason": reason} if reason else {}
        if names:
            why["without"] = list(names)
        if seen.take_over:
            why["taken_from"] = seen.take_over
        self._ground.record(f"asked.{choice}", {"run": run, **why, **({"digest": digest} if seen.foreign else {})})
        if seen.holder is None:
            # A run from elsewhere is executed with the profile of who answers for it, not with one that it names.
            self.spawn(run, self._ground.remember_profile() if seen.foreign else None)

    def leaving_out(self, run: str, choice: str, names: Sequence[str]) -> str:
        """What it means to leave these hosts out of the rest of a run. Raises AskFailed, NotToBeLeftOut."""
        from console.runs.api import Plan
        from console.runs.left_out import looked_at
        from console.runs.setting_aside import meaning

        view = self.seen(run).view
        wanted = may_be_left_out(view, choice, names)
        answers = looked_at(self._ground.bound(view.environment), wanted)
        return meaning(Plan.model_validate(view.body["plan"]), view, answers, choice)

    def in_the_way(self, run: str) -> int | None:
        """The number of the run's runner, if it was stopped in the middle of a write and keeps all from the store."""
        held = self._ground.known_runs.leases.in_the_way(run)
        return held.pid if held is not None else None

    def make_way(self, run: str) -> None:
        """*Blocking.* End that runner, if it does not go on for as long as a lease holds."""
        self._ground.known_runs.leases.make_way(run, self._ground.timing.lease_s)

    def _may_log_in_again(self, view: RunView, without: Sequence[str], *, session_bound: bool) -> None:
        """Raises SessionBound where its runner would need an agent that goes away with this login."""
        from console.live.beforehand import allow

        environment = self._environment_of(view.id)
        if environment is not None:
            hosts = self._own_hosts([name for name in view.hosts if name not in without])
            allow(environment, hosts, session_bound=session_bound)

    def _own_hosts(self, names: Sequence[str]) -> list[str]:
        """Those that the profile has: a run of another version of it may name others."""
        return [name for name in names if name in self._ground.profile.hosts]

    def get_ready(self, likely: Likely | None = None) -> None:
        """Start a runner that waits for its run, since one is likely to be wanted soon. `close` lets it go.

        `likely`: what that run will be of, if that is known.
        """
        if self._waiting is not None and self._waiting.gone:  # it was told nothing for too long
            self._waiting.close()
            self._waiting = None
        if self._waiting is None:
            self._waiting = self._ground.known_runs.waiting_runner(likely)

    def close(self) -> None:
        """Let go of a runner that was not needed."""
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.close()

    def spawn(self, run: str, profile: str | None = None) -> None:
        """Start the detached runner of a run, with another profile than it names if one is given. Raises AskFailed."""
        from console.runs.client import RunnerFailed

        try:
            waiting, self._waiting = self._waiting, None
            self._ground.known_runs.start_runner(run, self._ground.keys.session_key(), profile, waiting)
        except RunnerFailed as error:
            raise AskFailed(str(error), (f"try again: quarterdeck runs resume {run}",), exit_code=6) from error


def _mark(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns

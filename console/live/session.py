"""The real session: one console, or one command, on one profile. See `console.session` for what each method means.

It only puts the parts together and keeps the door: whatever is expected to go wrong leaves as AskFailed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from console.answers import ARMED_S, AskFailed, KeyringShown
from console.live.door import answers, asked_of, shows
from console.live.ground import AUDIT, Ground
from console.watch.views import EnvironmentView, SystemView, staled

if TYPE_CHECKING:
    from console.live.credentials import CredentialsDesk
    from console.live.desk import Desk
    from console.live.plans import PlansDesk
    from console.live.runs import RunsDesk
    from console.live.watching import Watching
    from console.runs.audit_check import Checked
    from console.session import (
        ActionShown,
        Choice,
        CredentialShown,
        FieldShown,
        Listener,
        OutputShown,
        PlanShown,
        ReleaseShown,
        RunShown,
    )
    from console.store.records import Record
    from console.timing import Timing
    from console.watch.views import ChecklistView, RunLine
    from profiles.models import Profile


CLOCK_SET_S = 2.0
"""Clocks that are further apart than they were: one of them was set."""


class LiveSession:
    """Everything is opened when it is first needed; making one costs nothing."""

    def __init__(
        self, profile: str | None, *, variables: Mapping[str, str] | None = None, timing: Timing | None = None
    ) -> None:
        self.ground = Ground(profile, variables, timing)
        self._watching: Watching | None = None
        self._armed: dict[str, tuple[float, float]] = {}
        """Until when, by the clock that nobody sets, and as it is shown."""

    @cached_property
    def desk(self) -> Desk:
        """The checklists."""
        from console.live.desk import Desk

        return Desk(self.ground.records, self.ground.profile.system, self.ground.who(), self.ground.redactor.text)

    @cached_property
    def _runs(self) -> RunsDesk:
        from console.live.runs import RunsDesk

        return RunsDesk(self.ground)

    @cached_property
    def _plans(self) -> PlansDesk:
        from console.live.plans import PlansDesk

        return PlansDesk(self.ground, self._runs)

    # -- opening and closing ---------------------------------------------------------------------------------------

    def _view_key(self) -> str:
        name = self.ground.name
        if name is None:
            return f"view:{Path.cwd()}"
        path = Path(name)
        return f"view:{path.absolute() if path.is_file() else name}"

    def last_known(self) -> SystemView | None:
        from console.store.database import StoreUnusable
        from console.store.memory import remembered
        from console.store.places import PlaceUnusable
        from console.watch.kept import loaded

        try:
            if not self.ground.places.database.exists():
                return None
            kept = remembered(self.ground.database, self._view_key())
            return staled(loaded(kept)) if kept is not None else None
        except (TypeError, ValueError, KeyError, AttributeError):
            return None  # written by another version: the first paint is empty instead
        except (StoreUnusable, PlaceUnusable):
            return None  # `open` meets the same and says it

    @answers
    def load(self) -> Profile:
        """*Blocking.* Read the profile without looking at anything. Raises NoProfile, NotTrusted, AskFailed."""
        return self.ground.load()

    @answers
    def trust_profile(self) -> None:
        self.ground.trust_profile()

    @answers
    def open(self, listener: Listener) -> None:
        from functools import partial

        from console.live.drift import drift_of
        from console.live.watching import Watching

        profile = self.ground.load()
        self.ground.listener = listener
        views = tuple(
            EnvironmentView(
                name=one.name,
                title=one.title or one.name,
                production=one.production,
                colour=one.shown_colour,
            )
            for one in profile.environments.values()
        )
        system = SystemView(profile.system, profile.title or profile.system, views)
        bound = {name: self.ground.bound(name) for name in profile.environments}
        self._watching = Watching(
            listener,
            self.desk,
            self._runs,
            self.ground.redactor,
            system,
            bound,
            self.troubles,
            partial(drift_of, self.ground.keys),
            self._due,
        )
        listener.system(system)
        self._watching.start()

    def troubles(self) -> Mapping[str, str]:
        """What is not as it should be under the store, kind to sentence: network, read-only, full. Raises AskFailed."""
        from console.store.condition import troubles

        return troubles(self.ground.places)

    def close(self) -> None:
        watching, self._watching = self._watching, None
        if watching is not None:
            from console.store.database import StoreUnusable
            from console.watch.kept import dumped

            seen = watching.seen()
            try:  # first: whoever hung up, or ends this process, does not wait for threads
                if any(one.at for one in seen.environments):
                    self.ground.records.remember(self._view_key(), dumped(seen), spare=True)
            except StoreUnusable:
                pass  # a full disk costs the next first paint its values, nothing else
            watching.stop()
        self._runs.close()
        if "desk" in vars(self):
            self.desk.close()
        self.ground.close()

    def get_ready(self) -> None:
        """Begin what a run will need, while it is planned and confirmed: its runner imports what it uses."""
        self._runs.get_ready()

    @answers
    def get_ready_for(self, environment: str) -> None:
        """The same for a run that is about to be planned: its hosts are connected to as well. Raises AskFailed."""
        from console.runs.reached import Likely, Reaching

        bound = self.ground.bound(environment)
        Reaching(bound)
        self._runs.get_ready(Likely(self.ground.remember_profile(), bound.name))

    @answers
    def watch(self, environment: str) -> None:
        if self._watching is not None:
            self._watching.closely(self.ground.bound(environment).name)

    def refresh(self) -> None:
        if self._watching is not None:
            self._watching.again()

    @shows
    def look(self, environment: str | None) -> list[EnvironmentView]:
        """*Blocking.* One look at one environment, or at all, without watching. Raises AskFailed."""
        from concurrent.futures import ThreadPoolExecutor
        from functools import partial

        from console.live.drift import drift_of
        from console.live.watching import read_lock
        from console.watch.services import look_once

        drift = partial(drift_of, self.ground.keys)
        names = [environment] if environment is not None else list(self.ground.profile.environments)
        bound = [self.ground.bound(name) for name in names]
        with ThreadPoolExecutor(max(1, min(8, len(bound)))) as pool:
            views = list(pool.map(lambda one: look_once(one, read_lock, drift), bound))
        return [view._replace(due=self._due(view.name)) for view in views]

    def _due(self, environment: str) -> tuple[str, ...]:
        """Sentences about credentials of an environment that are due or overdue."""
        return tuple(one.sentence() for one in self.vault.late(environment))

    @shows
    def parked(self, environments: Sequence[str]) -> tuple[tuple[RunLine, ...], tuple[str, ...]]:
        """*Blocking.* Parked runs of these environments, and those of which no host answered. Raises AskFailed."""
        return self._runs.parked(environments)

    @shows
    def left_to_a_person(self, environments: Sequence[str]) -> tuple[RunLine, ...]:
        """*Blocking.* The runs that NEED A HUMAN in these environments still. Raises AskFailed."""
        return self._runs.left_to_a_person(environments)

    @shows
    def waiting(self, environments: Sequence[str]) -> tuple[RunLine, ...]:
        """*Blocking.* The runs that wait for somebody in these environments. Raises AskFailed."""
        return self._runs.waiting(environments)

    # -- armed, keyring --------------------------------------------------------------------------------------------

    def armed_until(self, environment: str) -> float | None:
        if environment not in self._armed:
            return None
        from console.timing import boot_clock

        ends, until = self._armed[environment]
        left = ends - boot_clock()
        if left <= 0:
            return None
        if abs(time.time() + left - until) > CLOCK_SET_S:  # set since; what counts is how long it was armed
            until = time.time() + left
            self._armed[environment] = ends, until
        return until

    def arm(self, environment: str, on: bool) -> None:
        if on:
            from console.timing import boot_clock

            self._armed[environment] = boot_clock() + ARMED_S, time.time() + ARMED_S
        else:
            self._armed.pop(environment, None)

    def keyring(self) -> KeyringShown:
        return self.ground.keys.shown() if self.ground.loaded else KeyringShown("none needed")

    def settle_keyring(self) -> None:
        self.ground.keys.settle()

    def redacted(self, text: str) -> str:
        return self.ground.redactor.text(text)

    @answers
    def unlock(self, passphrase: str) -> None:
        self.ground.keys.unlock(passphrase)
        self._credentials_changed()
        self.ground.record("keyring.unlocked", {"by": "console"})

    # -- credentials ---------------------------------------------------------------------------------------------

    @cached_property
    def vault(self) -> CredentialsDesk:
        """What can be done with the credentials."""
        from console.live.credentials import CredentialsDesk

        return CredentialsDesk(self.ground)

    @shows
    def credentials(self) -> tuple[CredentialShown, ...]:
        return self.vault.shown()

    @answers
    def set_credential(self, name: str, value: str, field: str = "") -> None:
        from console.text.secret import Secret

        self.vault.set(name, Secret(value), field=field)
        self._credentials_changed()

    @shows
    def check_credential(self, name: str) -> tuple[str, str]:
        found = self.vault.check(name)
        return found.verdict, found.evidence

    @answers
    def remove_credential(self, name: str) -> None:
        self.vault.remove(name)
        self._credentials_changed()

    def _credentials_changed(self) -> None:
        if self._watching is not None:
            self._watching.credentials_changed()

    # -- actions and plans -----------------------------------------------------------------------------------------

    @answers
    def actions(self, environment: str) -> tuple[ActionShown, ...]:
        return self._plans.actions()

    @shows
    def form(self, action: str, environment: str) -> tuple[FieldShown, ...]:
        self.get_ready()  # the console's way to a run: its runner imports while the person fills in and confirms
        return self._plans.form(action, environment)

    @answers
    def plan(self, action: str, environment: str, values: Mapping[str, str], *, unseen: bool = False) -> PlanShown:
        return self._plans.plan(action, environment, values, unseen=unseen)

    def keep_plan(self, plan: PlanShown) -> None:
        """Remember a plan that was shown, so that `plan_since` can say what has changed."""
        self._plans.keep(plan)

    def plan_since(self, expect: str, plan: PlanShown) -> str:
        """What differs from the plan with the digest `expect`, as lines; empty where that one is not known here."""
        return self._plans.since(expect, plan)

    @answers
    def confirmation(self, environment: str) -> str:
        config = self.ground.bound(environment).config
        return config.name if config.confirmation == "name" else ""

    @answers
    def start(self, plan: PlanShown, reason: str, *, session_bound: bool = False) -> str:
        run = self._plans.start(plan, self.redacted(reason), session_bound=session_bound)
        if self.armed_until(plan.environment) is not None:
            self.arm(plan.environment, True)
        return run

    # -- runs ------------------------------------------------------------------------------------------------------

    @shows
    def runs(self) -> tuple[RunLine, ...]:
        return self._runs.everywhere()

    @shows
    def run(self, id: str) -> RunShown:  # noqa: A002
        return self._runs.shown(id)

    def output(self, id: str, offset: int, step: str | None) -> Iterator[OutputShown]:  # noqa: A002
        with asked_of(self):
            yield from self._runs.output(id, offset, step)

    def marks(self, id: str) -> tuple[object, ...]:  # noqa: A002
        """What tells whether there is something new to read of a run that is executed here."""
        return self._runs.marks(id)

    def wait_for_change(self, id: str, before: tuple[object, ...], at_most_s: float) -> None:  # noqa: A002
        """*Blocking.* Return once that has changed since `before`, or `at_most_s` have passed."""
        self._runs.wait_for_change(id, before, at_most_s)

    @answers
    def plan_of(self, id: str) -> PlanShown:  # noqa: A002
        return self._runs.plan_of(id)

    @answers
    def cancel(self, id: str, then: Literal["undo", "leave"] | None = None) -> None:  # noqa: A002
        self._runs.cancel(id, then)

    @answers
    def answer(
        self,
        id: str,  # noqa: A002
        choice: Choice,
        digest: str = "",
        reason: str = "",
        *,
        session_bound: bool = False,
        without: Sequence[str] = (),
    ) -> None:
        """See `Session.answer`. `without`: hosts that are left out of the run from now on."""
        self._runs.answer(id, choice, digest, self.redacted(reason), session_bound=session_bound, without=without)

    @answers
    def leaving_out(self, id: str, choice: str, names: Sequence[str]) -> str:  # noqa: A002
        """*Blocking.* What it means to leave these hosts out of the rest of a run; text. Raises AskFailed."""
        return self.redacted(self._runs.leaving_out(id, choice, names))

    @answers
    def run_named(self, word: str, *, everywhere: bool = False) -> str:
        """The id of the run that a word of one means; see `RunsDesk.named`. Raises AskFailed."""
        return self._runs.named(word, everywhere=everywhere)

    @answers
    def in_the_way(self, id: str) -> int | None:  # noqa: A002
        """The number of a run's runner that was stopped in the middle of a write, so that nobody can use the store."""
        return self._runs.in_the_way(id)

    @answers
    def make_way(self, id: str) -> None:  # noqa: A002
        """*Blocking.* End that runner, if it does not go on for as long as a lease holds."""
        self._runs.make_way(id)

    # -- releases, lock --------------------------------------------------------------------------------------------

    @shows
    def releases(self, environment: str) -> tuple[ReleaseShown, ...]:
        from console.live.locked import releases

        return releases(self.ground, environment)

    @answers
    def lock(self, environment: str, reason: str | None, *, without: Sequence[str] = ()) -> None:
        """See `Session.lock`. `without`: hosts that are left out of it."""
        from console.live.locked import lock, unlock

        if reason is None:
            unlock(self.ground, environment, "", without)
        else:
            lock(self.ground, environment, self.redacted(reason), without)

    @answers
    def unlock_environment(self, environment: str, reason: str, *, without: Sequence[str] = ()) -> None:
        """*Blocking.* Give our own lock back, or take a person's away with a reason. Raises AskFailed."""
        from console.live.locked import unlock

        unlock(self.ground, environment, self.redacted(reason), without)

    # -- checklists ------------------------------------------------------------------------------------------------

    @shows
    def checklist(self, environment: str) -> ChecklistView:
        view = self.desk.view(self.ground.bound(environment))
        if self._watching is not None:
            self._watching.told(environment, view)
        return view

    @answers
    def tick(self, environment: str, item: str, done: bool) -> None:
        self.desk.say(self.ground.bound(environment), item, "tick" if done else "untick")
        self.checklist(environment)

    @answers
    def waive(self, environment: str, item: str, reason: str) -> None:
        """*Blocking.* Say that an item need not be done, and why. Raises AskFailed."""
        self.desk.say(self.ground.bound(environment), item, "waive", self.redacted(reason))
        self.checklist(environment)

    def first_with_checklist(self) -> str:
        """The first environment that has a checklist. Raises AskFailed."""
        for environment in self.ground.profile.environments.values():
            if environment.checklists:
                return environment.name
        raise AskFailed("This profile names no checklist.")

    @shows
    def import_checklist(self, environment: str) -> list[str]:
        """*Blocking.* Read the document again; what changed in it, as sentences. Raises AskFailed."""
        return self.desk.changes(self.ground.bound(environment))

    @answers
    def verify(self, environment: str, item: str) -> None:
        self.desk.verify(self.ground.bound(environment), item)
        self.checklist(environment)

    @shows
    def verify_all(self, environment: str) -> None:
        """*Blocking.* Ask every check of an environment's checklist. Raises AskFailed."""
        self.desk.verify_all(self.ground.bound(environment), threading.Event())

    # -- shell, explanations, demo, audit --------------------------------------------------------------------------

    @answers
    def shell(self, environment: str, service: str | None, host: str | None) -> tuple[str, ...]:
        from console.live.explain import shell_words

        bound = self.ground.bound(environment)
        name = host or bound.config.hosts[0]
        words = shell_words(self.ground.profile, bound, name, service)
        self.ground.record("shell.opened", {"environment": environment, "host": name, "service": service or ""})
        return words

    @shows
    def explain(self, environment: str, kind: str, name: str) -> str:
        from console.live.explain import explain

        return explain(self.ground.bound(environment), kind, name)

    def demo(self) -> Callable[[], None] | None:
        if not self.ground.loaded or self.ground.profile.keyring != "demo":
            return None

        def stop() -> None:
            from console.demo.control import DemoSystem

            with asked_of(self):
                DemoSystem().stop()

        return stop

    @answers
    def audit_records(self) -> list[Record]:
        """*Blocking.* The audit, oldest first. Raises AskFailed for a record that was made unreadable."""
        return self.ground.records.read(AUDIT)

    @answers
    def check_audit(self, *, hosts: bool) -> Checked:
        """*Blocking.* Every chain, every checkpoint; with `hosts` also what they hold of our head. Raises AskFailed."""
        from console.runs.audit_check import check_here, check_hosts

        checked = check_here(self.ground.records)
        if hosts:
            check_hosts(
                self.ground.records, [self.ground.bound(name) for name in self.ground.profile.environments], checked
            )
        for told in (checked.bad, checked.notes, checked.silent):
            told[:] = map(self.redacted, told)
        return checked

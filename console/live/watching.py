"""The threads of a session: every environment from afar, the one that is looked at closely, the runs of the store."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from console.feeds.line import readable
from console.live.door import asked
from console.live.masked import MaskedOnce, masked
from console.session import AskFailed, Happening
from console.watch.backlog import Remembered
from console.watch.logs import watch_logs
from console.watch.metrics import Past, watch_metrics
from console.watch.services import ReadDrift, watch_services
from console.watch.views import ChecklistView, EnvironmentView, LockView, MetricsView, RunLine, SystemView

if TYPE_CHECKING:
    from console.environment import Environment
    from console.feeds.lines import LogLine
    from console.live.desk import Desk
    from console.live.runs import RunsDesk
    from console.session import Listener
    from console.text.redact import Redactor

NEAR_S, FAR_S = 5.0, 15.0
RUNS_S = 1.0
HOUSE_S = 20.0
"""How long after the console stands it is looked what need not be kept any more."""
GROUND_S = 15.0
"""How often it is looked what is under the store: its disk may fill up."""
ELSEWHERE_S = 60.0
"""How often hosts are asked for runs that others execute, or have undone."""
VERIFY_S = 30.0
KEPT_LINES = 40
"""Log lines of each environment that the next first paint can show."""
STOP_S = 2.0
"""How long `stop` waits for the threads that use the store."""


class Watching:
    """Starts and stops the threads, remembers what they last said, passes it on."""

    def __init__(
        self,
        listener: Listener,
        desk: Desk,
        runs: RunsDesk,
        redactor: Redactor,
        system: SystemView,
        environments: Mapping[str, Environment],
        troubles: Callable[[], Mapping[str, str]],
        read_drift: ReadDrift = lambda environment, host: (),
        due: Callable[[str], tuple[str, ...]] = lambda environment: (),
    ) -> None:
        self._listener = listener
        self._desk = desk
        self._runs = runs
        self._redact = redactor.text
        self._run_lines: MaskedOnce[RunLine] = MaskedOnce(redactor)
        self._troubles = troubles
        self._read_drift = read_drift
        self._due = due
        self._known_due: dict[str, tuple[str, ...]] = {}
        self._due_again = threading.Event()
        self._environments = environments
        self._lock = threading.Lock()
        self._far: dict[str, threading.Event] = {}
        self._near: tuple[str, threading.Event] | None = None
        self._check = threading.Event()
        """Set where the checklist that is watched is to be looked at again at once."""
        self._logs = threading.Event()
        self._stopped = threading.Event()
        self._storing: list[threading.Thread] = []
        """Threads that use the store: ended before it is closed."""
        self._lines: dict[str, deque[str]] = {}
        self._remembered: dict[str, Remembered] = {}
        """What was given of each environment's logs, so that looking away and back shows no line twice."""
        self._points: dict[str, Past] = {}
        """Charts read straight from their targets have no other past than what was seen here."""
        self.system = system

    def start(self) -> None:
        """Look at every environment from afar, and at the runs."""
        for name in self._environments:
            self._from_afar(name)
        self._begin(self._watch_runs, (), "runs")
        self._begin(self._keep_house, (), "housekeeping")
        # Not of those that closing waits for: they ask hosts, or a keyring that may ask a person; and a store that is
        # closed meanwhile does not hurt them.
        threading.Thread(target=self._watch_elsewhere, name="runs elsewhere", daemon=True).start()
        threading.Thread(target=self._watch_credentials, name="credentials", daemon=True).start()

    def closely(self, name: str) -> None:
        """Look closely at one environment, and only from afar at the one before."""
        before = self._near[0] if self._near is not None else None
        if before == name:
            return
        self._leave_near()
        if before is not None:
            self._from_afar(before)
        self._logs.set()
        self._logs = threading.Event()
        self._come_near(name)
        environment, remembered = self._environments[name], self._remembered.setdefault(name, Remembered())
        watch_logs(environment, self._redact, self._logs_of(name, self._logs), self._logs, remembered)

    def again(self) -> None:
        """Look at everything again now; logs are followed all the time and go on."""
        for name in list(self._far):
            self._from_afar(name)
        near = self._near
        if near is not None:
            self._leave_near()
            self._come_near(near[0])
        self.credentials_changed()

    def credentials_changed(self) -> None:
        """Look again which credentials are due."""
        self._due_again.set()

    def seen(self) -> SystemView:
        """What was seen last."""
        with self._lock:
            # As they are read, not as they came: the next first paint need not take JSON apart.
            tails = {name: tuple(map(readable, lines)) for name, lines in self._lines.items()}
            return self.system._replace(logs=tails)

    def stop(self) -> None:
        """Stop every thread."""
        self._stopped.set()
        self._due_again.set()
        self._logs.set()
        self._leave_near()
        for stop in self._far.values():
            stop.set()
        ends = time.monotonic() + STOP_S
        for thread in self._storing:
            if thread is not threading.current_thread():
                thread.join(max(0.0, ends - time.monotonic()))

    def told(self, name: str, view: ChecklistView) -> None:
        """A checklist was read."""
        view = masked(view, self._redact)
        with self._lock:
            self.system = self.system._replace(checklists={**self.system.checklists, name: view})
        self._listener.checklist(name, view)

    # -- near and far ----------------------------------------------------------------------------------------------

    def _from_afar(self, name: str) -> None:
        if name in self._far:
            self._far[name].set()
        self._far[name] = stop = threading.Event()
        publish, drift = self._environment_of(stop), self._read_drift
        watch_services(self._environments[name], publish, read_lock, stop, every_s=FAR_S, read_drift=drift)

    def _leave_near(self) -> None:
        if self._near is not None:
            self._near[1].set()
            self._check.set()
            self._near = None

    def _come_near(self, name: str) -> None:
        environment = self._environments[name]
        if name in self._far:
            self._far.pop(name).set()
        stop, check = threading.Event(), threading.Event()
        self._near, self._check = (name, stop), check

        def metrics(view: MetricsView) -> None:
            if not stop.is_set():
                view = masked(view, self._redact)
                with self._lock:
                    self.system = self.system._replace(metrics={**self.system.metrics, name: view})
                self._listener.metrics(name, view)

        publish, drift = self._environment_of(stop, check.set), self._read_drift
        watch_services(environment, publish, read_lock, stop, every_s=NEAR_S, read_drift=drift)
        past = self._points.setdefault(name, {})
        threading.Thread(
            target=watch_metrics, args=(environment, metrics, stop, past), name=f"metrics {name}", daemon=True
        ).start()
        self._begin(self._watch_checklist, (environment, stop, check), f"checklist {name}")

    def _begin(self, target: Callable[..., None], args: tuple[object, ...], name: str) -> None:
        thread = threading.Thread(target=target, args=args, name=name, daemon=True)
        self._storing = [one for one in self._storing if one.is_alive()] + [thread]
        thread.start()

    # -- the threads -----------------------------------------------------------------------------------------------

    def _watch_runs(self) -> None:
        before: tuple[RunLine, ...] | None = None
        problem, looked = "", 0.0
        known: Mapping[str, str] = {}
        while not self._stopped.is_set():
            try:
                with asked():
                    if time.monotonic() - looked >= GROUND_S:
                        looked, known = time.monotonic(), self._under_the_store(known)
                    lines = self._run_lines.all(self._runs.here())
            except AskFailed as error:
                problem = self._trouble(error, problem)
            else:
                problem = ""
                states = {line.id: line.state for line in before or ()}
                for line in lines:
                    where = "" if line.environment in line.title else f" on {line.environment}"
                    if states.get(line.id, line.state) != line.state:
                        text = f"{line.title}{where}: {line.state}"
                        self._listener.happened(Happening(text, line.tone, time.time()))
                if lines != before and not self._stopped.is_set():
                    self._listener.runs(lines)
                before = lines
            self._stopped.wait(RUNS_S)

    def _keep_house(self) -> None:
        """Once the console stands: what is too old is not kept any more, and the reserve is laid again."""
        if self._stopped.wait(HOUSE_S):
            return
        with suppress(AskFailed), asked():  # a store that cannot be written is told by the runs' thread
            self._runs.keep_house()

    def _under_the_store(self, before: Mapping[str, str]) -> Mapping[str, str]:
        """Tell what has become wrong under the store since, each once, and what is right again; what is wrong now."""
        now = self._troubles()
        for kind, sentence in now.items():
            if kind not in before:
                self._listener.happened(Happening(sentence, "warn" if kind == "nearly full" else "bad", time.time()))
        if before and not now:
            self._listener.happened(Happening("The state directory is as it should be again.", "ok", time.time()))
        return now

    def _watch_elsewhere(self) -> None:
        """What only hosts know of runs; `_watch_runs` lists it. The first look waits for what the dashboard needs."""
        problem = ""
        wait_s = NEAR_S
        while not self._stopped.wait(wait_s):
            wait_s = ELSEWHERE_S
            try:
                with asked():
                    self._runs.look(again=True)
                problem = ""
            except AskFailed as error:
                problem = self._trouble(error, problem)

    def _watch_credentials(self) -> None:
        """Which credentials are due or overdue, for the next view of each environment.

        No thread that looks at a host asks the keyring for that: it may wait for a person for as long as it likes.
        """
        while not self._stopped.is_set():
            self._due_again.clear()
            for name in self._environments:
                with suppress(AskFailed), asked():  # a store that cannot be read is told by the runs' thread
                    self._known_due[name] = self._due(name)
            self._due_again.wait(ELSEWHERE_S)

    def _watch_checklist(self, environment: Environment, stop: threading.Event, check: threading.Event) -> None:
        """`check` is set where something else runs than before: no pass of then stands beside what is down."""
        problem = ""
        while not stop.is_set():
            check.clear()
            if stop.is_set():
                return
            try:
                with asked():
                    self.told(environment.name, self._desk.view(environment))
                    self._desk.verify_all(environment, stop)
                    if not stop.is_set():
                        self.told(environment.name, self._desk.view(environment))
                problem = ""
            except AskFailed as error:
                problem = self._trouble(error, problem)
            if stop.wait(NEAR_S):  # whatever flaps, the checks are not asked all the time
                return
            check.wait(VERIFY_S - NEAR_S)

    def _trouble(self, error: AskFailed, before: str) -> str:
        """Tell it once and go on; what it said."""
        error.mask(self._redact)
        said = str(error)
        if said != before and not self._stopped.is_set():
            self._listener.happened(Happening(said, "bad", time.time()))
        return said

    def _environment_of(
        self, stop: threading.Event, changed: Callable[[], object] = bool
    ) -> Callable[[EnvironmentView], None]:
        """Passes on what was seen; `changed` is called where services are in another state than before."""
        before: list[object] = []

        def told(view: EnvironmentView) -> None:
            if stop.is_set():
                return
            now = (view.state, [(one.host, one.name, one.state, one.release) for one in view.services])
            if before and before != [now]:
                changed()
            before[:] = [now]
            view = masked(view._replace(due=self._known_due.get(view.name, ())), self._redact)
            with self._lock:
                self.system = self.system._replace(
                    environments=tuple(view if one.name == view.name else one for one in self.system.environments),
                )
            self._listener.environment(view)

        return told

    def _logs_of(self, name: str, stop: threading.Event) -> Callable[[list[LogLine]], None]:
        def told(lines: list[LogLine]) -> None:
            if not stop.is_set():
                with self._lock:
                    kept = self._lines.setdefault(name, deque(maxlen=KEPT_LINES))
                    kept.extend(line.text for line in lines[-KEPT_LINES:])
                self._listener.logs(name, lines)

        return told


def read_lock(environment: Environment, host: str) -> LockView | None:
    """Who holds the environment, as one host says. Raises HostError."""
    from console.runs.locks import look

    held = look(environment.hosts[host], environment.directory, environment.timing)
    if held is None:
        return None
    owner = held.owner
    return LockView(
        who=owner.who,
        run=owner.run,
        reason=owner.reason or owner.title,
        since=owner.since,
        beat_age_s=held.age_s,
        dead=held.dead,
        kind=owner.kind,
    )

"""A session with fixed, rich data and a fixed clock: what pictures are taken of, and what tests press keys against.

It keeps a record of what it was asked (`asked`), can refuse (`refuse`), and can hang in any method (`hang`) until it is
let go, as a session does whose host does not answer.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

from console.feeds.lines import LogLine
from console.session import (
    ActionShown,
    AskFailed,
    BlockShown,
    Choice,
    CredentialShown,
    FieldShown,
    Happening,
    KeyringShown,
    Listener,
    OutputShown,
    PlanShown,
    ReleaseShown,
    RunShown,
    SessionBound,
    StepShown,
)
from console.text.redact import Redactor
from console.watch.views import (
    ChecklistView,
    EnvironmentView,
    HostView,
    ItemView,
    LockView,
    MetricsView,
    PanelView,
    RunLine,
    ServiceView,
    SystemView,
    staled,
)

NOW = 1_795_486_455.0
"""Tuesday 24 November 2026, 02:14:15 UTC."""
PRODUCTION, STAGING, MONITORING = "production", "staging", "monitoring"
DIGEST = "sha256:7c1d9f0be2a4d6c8817b3a5f9e0c2d4b6a8f1e3c5d7b9a0f2e4c6d8b0a1f3e5c"


def service(name: str, state: str, word: str, release: str, since: str, **more: Any) -> ServiceView:
    """A service on the host `app-1`."""
    view = ServiceView(name, "app-1", state, word, release, f"registry.example/{name}:{release}", since)  # type: ignore[arg-type]
    return view._replace(**more)


def environments(*, quiet: bool = False) -> tuple[EnvironmentView, ...]:
    """Production with a failing front end (unless quiet), staging well and a release ahead, monitoring unreachable."""
    bad = service(
        "frontend-prediction", "bad", "unhealthy", "1.4.2", "2 min", restarts=3, said="GET /healthz: 502 after 2.0 s"
    )
    good = service("frontend-prediction", "ok", "healthy", "1.4.2", "3 d")
    return (
        EnvironmentView(
            STAGING,
            "Staging",
            False,
            "green",
            "ok",
            "healthy",
            "1.5.0-rc2",
            services=(
                service("backend", "ok", "healthy", "1.5.0-rc2", "41 min"),
                service("frontend-prediction", "ok", "healthy", "1.5.0-rc2", "41 min"),
                service("frontend-training", "ok", "healthy", "1.5.0-rc2", "41 min"),
                service("db", "ok", "healthy", "16.4", "12 d"),
            ),
            hosts=(HostView("stage-1", "10.0.3.11", "ok"),),
            at=NOW - 2,
        ),
        EnvironmentView(
            PRODUCTION,
            "Production",
            True,
            "red",
            "ok" if quiet else "bad",
            "healthy" if quiet else "1 of 4 unhealthy",
            "1.4.2",
            differs=() if quiet else ("nginx.conf differs from the release since 23 Nov 18:02.",),
            services=(
                service("backend", "ok", "healthy", "1.4.2", "3 d"),
                good if quiet else bad,
                service("frontend-training", "ok", "healthy", "1.4.2", "3 d"),
                service("db", "ok", "healthy", "16.4", "87 d"),
            ),
            hosts=(HostView("app-1", "10.0.1.21", "ok"), HostView("app-2", "10.0.1.22", "ok")),
            at=NOW - 1,
        ),
        EnvironmentView(
            MONITORING,
            "Monitoring",
            False,
            "blue",
            "unknown",
            "not reached",
            "",
            hosts=(HostView("mon-1", "10.0.9.5", "unknown", "no answer on port 22 for 10 s"),),
            at=NOW - 840,
            problem="mon-1 has not answered since 02:00: no answer on port 22 for 10 s.",
        ),
    )


def wave(base: float, swing: float, *, phase: float = 0.0, jump: float = 0.0) -> tuple[tuple[float, float | None], ...]:
    """An hour of points, one a minute, with a gap, and a jump in the last 12 minutes."""
    points: list[tuple[float, float | None]] = []
    for minute in range(60):
        value = base + swing * math.sin(minute / 6 + phase) + swing / 3 * math.sin(minute * 1.7 + phase)
        gap = 20 <= minute < 23
        points.append((NOW - 3600 + 60 * (minute + 1), None if gap else value + (jump if minute >= 48 else 0.0)))
    return tuple(points)


def metrics(*, quiet: bool = False) -> MetricsView:
    """Eight panels; the error rate and the latency are over their limits unless quiet."""
    jump = 0.0 if quiet else 1.0
    at = NOW - 5
    return MetricsView(
        "Prometheus on mon-1 via app-1",
        (
            PanelView("Requests", "req/s", 0, wave(142, 18), at, help="All requests of the backend."),
            PanelView("Errors", "%", 2, wave(0.4, 0.1, jump=4.6 * jump), at, warn=1.0, bad=5.0, help="5xx of all."),
            PanelView("Latency p95", "ms", 0, wave(180, 25, phase=1, jump=420 * jump), at, warn=500.0, bad=1000.0),
            PanelView("Predictions", "/min", 0, wave(2300, 210, phase=2), at),
            PanelView("CPU", "%", 0, wave(37, 6, phase=3), at, warn=80.0, bad=95.0),
            PanelView("Memory", "%", 0, wave(61, 1.5, phase=4), at, warn=85.0, bad=95.0),
            PanelView("Disk free", "GiB", 1, wave(48, 0.4, phase=5), at, warn=20.0, bad=5.0, direction="below"),
            PanelView("Queue", "jobs", 0, (), 0.0, problem="no series: training_queue_length"),
        ),
        at,
    )


def item(id_: str, title: str, group: str, state: Any, said: str) -> ItemView:
    """An item, seen an hour ago."""
    by = "ada" if state == "ticked" else ""
    return ItemView(id_, title, group, state, by, NOW - 3600, said, "probe" if said else "")


def checklist(*, quiet: bool = False) -> ChecklistView:
    """A go-live list of 12 items, one of which contradicts its check."""
    rows: tuple[tuple[str, str, str, str, str], ...] = (
        ("backup", "Nightly backup of the database", "Data", "passed", "dump of 02:00, 1.2 GiB"),
        ("restore", "Restore was rehearsed", "Data", "ticked", ""),
        ("migrate", "Migrations run on a copy", "Data", "ticked", ""),
        ("tls", "Certificate valid for 30 days", "Edge", "passed" if quiet else "conflict", "ends in 12 days"),
        ("hsts", "HSTS header is sent", "Edge", "passed", "max-age=31536000"),
        ("rate", "Rate limit answers 429", "Edge", "unknown", "probe not reached: 10 s without an answer"),
        ("alerts", "Alerts reach the on-call phone", "Watch", "open", ""),
        ("dash", "Dashboards linked from the run book", "Watch", "claimed", "ticked in the document"),
        ("logs", "Logs are kept for 30 days", "Watch", "passed", "retention 720h"),
        ("load", "Load test at twice the traffic", "Release", "open", ""),
        ("rollback", "Rollback was rehearsed this month", "Release", "failed", "last rehearsal 41 days ago"),
        ("owner", "Owner on call is named", "Release", "waived", "by ada until 1 Dec"),
    )
    return ChecklistView(
        "docs/go-live.md",
        "Go-live",
        tuple(item(id_, title, group, state, said) for id_, title, group, state, said in rows),
        at=NOW - 60,
    )


def log_lines(count: int = 40) -> list[LogLine]:
    """The end of the logs of production: requests, a warning, errors of the front end."""
    made = []
    for number in range(count):
        at = NOW - (count - number) * 1.5
        if number % 11 == 7:
            made.append(
                LogLine(at, "frontend-prediction", "ERROR upstream timed out after 2.0 s: GET /healthz", "error")
            )
        elif number % 13 == 5:
            made.append(LogLine(at, "backend", "WARNING pool: 18 of 20 connections in use", "warn"))
        else:
            path = ("/api/predict", "/api/routes", "/api/login")[number % 3]
            text = f'INFO 10.0.1.{number % 9 + 2} "POST {path}" 200 {40 + number * 7 % 90} ms request={number:06d}'
            made.append(LogLine(at, "backend", text, "info"))
    return made


STEPS: tuple[StepShown, ...] = (
    StepShown("preflight", "Engine, Compose and disk are as needed", "app-1", "docker version --format json", undo=""),
    StepShown(
        "pull",
        "Pull 3 images",
        "app-1",
        "docker compose -p routing -f compose.yml -f override.yml pull backend frontend-prediction frontend-training",
        undo="docker image rm of what was not there before",
        check="docker image inspect of 3 digests",
        note="3 attempts",
    ),
    StepShown(
        "migrate",
        "Migrate the database from a2 to a3",
        "app-1",
        "docker compose run --rm --name qd-7f3a-migrate-1 backend alembic upgrade a3",
        no_undo="The migration only adds a column; 1.4.2 runs on a3.",
        check="alembic current = a3",
        certainty="conditional",
        note="only if the database is not at a3 yet",
    ),
    StepShown(
        "up",
        "Replace 3 services",
        "app-1",
        "docker compose -p routing -f compose.yml -f override.yml up -d --no-build --pull never",
        undo="docker compose -p routing -f compose.yml -f override-1.4.2.yml up -d --no-build --pull never",
        check="3 containers run the new digests",
        gates=("disk",),
    ),
    StepShown(
        "health", "Healthy within 90 s", "app-1", "stack.healthy@1 backend, frontend-prediction, frontend-training"
    ),
    StepShown("smoke", "Smoke tests: log in, predict, log out", "", "http.smoke@1 3 requests"),
    StepShown(
        "verify", "Mark 1.5.0 as verified", "app-1", "mv .quarterdeck/releases/r-0042/new verified", undo="rm verified"
    ),
)


def plan(environment: str = PRODUCTION, refusal: str = "") -> PlanShown:
    """A deploy of 1.5.0, or why there is none."""
    return PlanShown(
        "deploy",
        environment,
        f"Deploy 1.5.0 to {environment}",
        "4f1c9a2e77b0d3c5",
        "destroys" if environment == PRODUCTION else "changes",
        () if refusal else STEPS,
        ()
        if refusal
        else (
            BlockShown(
                "table",
                "What changes",
                columns=("service", "live now", "becomes"),
                rows=(
                    ("backend", "1.4.2  sha256:90ab…", "1.5.0  sha256:7c1d…"),
                    ("frontend-prediction", "1.4.2  sha256:11fe…", "1.5.0  sha256:22ab…"),
                    ("frontend-training", "1.4.2  sha256:ae01…", "1.5.0  sha256:9b3c…"),
                ),
            ),
            BlockShown("text", "Verified on staging", "1.5.0 was verified on staging 24 Nov 01:33 by ada.", tone="ok"),
            BlockShown(
                "diff",
                "override.yml",
                before="services:\n  backend:\n    image: registry.example/backend@sha256:90ab\n",
                after="services:\n  backend:\n    image: registry.example/backend@sha256:7c1d\n",
            ),
            BlockShown("text", "Not like the release", "nginx.conf differs since 23 Nov 18:02.", tone="warn"),
        ),
        as_before="Undo puts 1.4.2 back with the files it had; the added column stays.",
        refusal=refusal,
        ways_out=("Wait for ada's run to end: `quarterdeck runs follow r-0041`.",) if refusal else (),
        made_at=NOW - 3,
        params={"candidate": "1.5.0"},
    )


def stepped(states: Mapping[str, str], evidence: Mapping[str, str] | None = None) -> tuple[StepShown, ...]:
    """The deploy's steps in these states; those named began a few seconds after one another."""
    started, made = NOW - 95, []
    for one in STEPS:
        state = states.get(one.id, "waiting")
        took = 0.0 if state in ("waiting", "running") else 4.2
        made.append(
            one._replace(
                state=state,
                started=started if state != "waiting" else 0.0,
                took_s=took,
                attempt=0 if state == "waiting" else 1,
                evidence=(evidence or {}).get(one.id, ""),
                said=(evidence or {}).get(one.id, ""),
            )
        )
        started += took
    return tuple(made)


def line(
    id_: str, state: str, tone: str, *, step: str = "", age: float = 95.0, took: float = 0.0, **more: Any
) -> RunLine:
    """A line of the list of runs."""
    made = RunLine(id_, "deploy", PRODUCTION, "Deploy 1.5.0", state, tone, "ada@bastion", NOW - age, took, step)  # type: ignore[arg-type]
    return made._replace(**more)


RUNS: tuple[RunLine, ...] = (
    line("r-0043", "running", "ok", step="up", took=95.0),
    line(
        "r-0042",
        "interrupted",
        "bad",
        step="pull",
        age=5400,
        environment=STAGING,
        title="Deploy 1.5.0-rc3",
        local=False,
        heard=NOW - 5300,
    ),
    line("r-0041", "failed, NEEDS A HUMAN", "bad", step="migrate", age=86_000, took=41.0),
    line("r-0040", "failed, undone", "warn", age=172_000, took=74.0, title="Deploy 1.4.3"),
    line("r-0039", "succeeded", "ok", age=262_000, took=61.0, title="Deploy 1.4.2", who="ben@laptop"),
    line(
        "r-0038",
        "succeeded",
        "ok",
        age=270_000,
        took=9.0,
        title="Restart backend",
        action="restart",
        environment=STAGING,
    ),
)

ENDED_BADLY = (
    "failed, NEEDS A HUMAN\n"
    "The database is at a4 and 1.4.2 does not know a4: the old release would not start, so it was not put back.\n"
    "1. Look at the database: alembic current.\n"
    "2. Either finish forward with a release that knows a4, or restore the dump of 02:00.\n"
    "Traffic is stopped at the proxy; nothing else changed."
)

OUTPUT = "".join(
    f"{word}\n"
    for word in (
        "[+] Running 3/3",
        " Container routing-backend-1              Recreated",
        " Container routing-frontend-prediction-1  Recreated",
        " Container routing-frontend-training-1    Starting",
    )
)


def runs_shown() -> dict[str, RunShown]:
    """One run of every kind of ending, and the one that runs."""
    done = dict.fromkeys(("preflight", "pull"), "done")
    return {
        "r-0043": RunShown(
            RUNS[0],
            stepped(done | {"migrate": "done", "up": "running"}, {"migrate": "alembic current = a3"}),
            can=("cancel",),
            reason="CHG-311: new model",
            where="bastion",
            digest="4f1c9a2e77b0d3c5",
        ),
        "r-0042": RunShown(
            RUNS[1],
            stepped({"preflight": "done", "pull": "unknown"}),
            question="Its runner died at 00:44 while it pulled images. Go on from there, or take it back?",
            can=("resume", "undo"),
            where="bastion-2",
        ),
        "r-0041": RunShown(
            RUNS[2],
            stepped(done | {"migrate": "failed"}, {"migrate": "exit 1: column b4 is NOT NULL"}),
            ending=ENDED_BADLY,
            exit_code=3,
            where="bastion",
        ),
        "r-0040": RunShown(
            RUNS[3],
            stepped(dict.fromkeys(("preflight", "pull", "up"), "undone") | {"smoke": "failed"}),
            ending="failed, undone\nSmoke test `predict` answered 500. The whole system is as before: 1.4.2 is live.",
            exit_code=1,
        ),
        "r-0039": RunShown(
            RUNS[4],
            stepped(dict.fromkeys([one.id for one in STEPS], "done")),
            ending="succeeded\n1.4.2 is live.",
            exit_code=0,
        ),
        "r-0038": RunShown(RUNS[5], stepped({"up": "done"}), ending="succeeded", exit_code=0),
    }


PARKED = line(
    "r-0037", "parked", "ok", age=3600, action="rotate", title="Rotate jwt", until=NOW + 1500, heard=NOW - 3000
)
"""Not among RUNS: a test that wants it puts it there (`parked`)."""


def parked(session: FixedSession, run: RunLine = PARKED) -> None:
    """Add a run that waits without its environment."""
    due = run.state != "parked"
    session.listed = (run, *session.listed)
    until = time.strftime("%H:%M:%S", time.localtime(run.until))
    words = f"Parked until {until} (in 25 min). Production is free meanwhile; it keeps credential:jwt.\n"
    words += "Its runner waits, and then goes on by itself."
    session.shown[run.id] = RunShown(
        run,
        (
            StepShown("verify", "both keys verify on every node", "app-1", "", state="done", took_s=4.2, attempt=1),
            StepShown(
                "overlap", "until tokens of the old key have run out", "", "", state="parked", said=f"until {until}"
            ),
            StepShown("retire", "drop the old key", "app-1", ""),
        ),
        parked=f"Due since {until}; not looked at since 01:22:03." if due else words,
        can=("resume", "undo", "leave") if due else ("now", "cancel", "undo", "leave"),
        where="process 4711 on bastion",
    )


def release(id_: str, candidate: str, age: float, **more: Any) -> ReleaseShown:
    """A release in the list."""
    made = ReleaseShown(
        id_,
        candidate,
        "24 Nov 01:33",
        "ada",
        "24 Nov 01:34",
        False,
        False,
        "deploy",
        "a2",
        (("backend", DIGEST),),
        "r-0039",
    )
    return made._replace(**more)


RELEASES = (
    release("rel-0042", "1.4.2", 260_000, live=True),
    release("rel-0041", "1.4.3", 300_000, verified="", undone=True, can_go_back="It was never verified."),
    release("rel-0040", "1.4.1", 900_000, when="12 Nov 10:02", verified="12 Nov 10:04"),
    release(
        "rel-0039", "1.3.0", 2_900_000, when="21 Oct 09:15", schema="a1", can_go_back="It does not know schema a2."
    ),
)

FIELDS = (
    FieldShown(
        "candidate",
        "Candidate",
        "A tag, a digest, or @staging: what staging has verified.",
        "text",
        True,
        "",
        (
            ("@staging", "1.5.0, verified on staging 24 Nov 01:33"),
            ("1.5.0", "pushed 24 Nov 00:51"),
            ("1.5.0-rc2", "pushed 23 Nov 21:10"),
            ("1.4.2", "live on production"),
        ),
    ),
    FieldShown("services", "Services", "Empty: all of them.", "text", False, ""),
    FieldShown(
        "strategy",
        "Strategy",
        "How traffic moves over.",
        "choice",
        True,
        "recreate",
        (("recreate", "stop the old, start the new"), ("blue-green", "side by side, then switch")),
    ),
    FieldShown("migrate", "Migrate", "Run the migrations of the new release.", "flag", False, "yes"),
)

ACTIONS = (
    ActionShown("deploy", "Deploy", "Make a candidate live, and take it back if it fails.", "destroys"),
    ActionShown("rollback", "Roll back", "Go back to a release that was verified.", "destroys"),
    ActionShown("restart", "Restart a service", "Stop and start it with the same image.", "changes"),
    ActionShown("stop", "Stop a service", "Stop it until it is started again.", "destroys"),
    ActionShown("start", "Start a service", "Start it with the image it had.", "changes"),
    ActionShown("command", "Run a reviewed command", "One of the commands that the profile names.", "changes"),
    ActionShown("baseline", "Record what is live", "Before the first run ever: changes nothing that runs.", "reads"),
)


class FixedSession:
    """Implements `console.session.Session` on the values above."""

    def __init__(
        self, *, quiet: bool = False, stale: bool = False, fresh: bool = True, first_time: bool = False
    ) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.refuse: dict[str, AskFailed] = {}
        self.quiet, self.stale, self.fresh, self.first_time = quiet, stale, fresh, first_time
        self.armed: dict[str, float] = {}
        self.clock = NOW
        self.listener: Listener | None = None
        self.ring = KeyringShown("unlocked", "sealed file")
        self.vault = CREDENTIALS
        self.redactor: Redactor | None = None
        self.shown = runs_shown()
        self.listed = RUNS if not quiet else RUNS[4:]
        self.items = {name: checklist(quiet=quiet) for name in (STAGING, PRODUCTION)}
        self.refusal = ""
        self.bound = ""
        """Why the SSH agent would go away with this login."""
        self.stops_demo: Callable[[], None] | None = None
        self.lock_held = False
        self._hung: dict[str, threading.Event] = {}

    # -- for tests -----------------------------------------------------------------------------------------------

    def hang(self, method: str) -> threading.Event:
        """Let this method wait until the event is set, or for 30 s."""
        self._hung[method] = threading.Event()
        return self._hung[method]

    def _ask(self, *words: Any) -> None:
        self.asked.append(words)
        if (gate := self._hung.get(words[0])) is not None:
            gate.wait(30)
        if (error := self.refuse.get(words[0])) is not None:
            raise error

    def names(self) -> list[str]:
        """The methods that were asked, in order."""
        return [one[0] for one in self.asked]

    def last(self, method: str) -> tuple[Any, ...]:
        """The newest question of that method, with its arguments."""
        return next(one for one in reversed(self.asked) if one[0] == method)

    def view(self) -> SystemView:
        """Everything, as of NOW."""
        return SystemView(
            "routing-ml",
            "Routing ML",
            tuple(
                one._replace(lock=LockView("ada@bastion", "r-0043", "CHG-311: new model", NOW - 95, 2.0, False))
                if self.lock_held and one.production
                else one
                for one in environments(quiet=self.quiet)
            ),
            {name: metrics(quiet=self.quiet or name != PRODUCTION) for name in (STAGING, PRODUCTION)},
            dict(self.items),
            {PRODUCTION: tuple(f"{one.source} {one.text}" for one in log_lines(12))},
        )

    def tell_all(self, listener: Listener) -> None:
        """Tell everything once, as a session does when it has looked."""
        view = self.view()
        listener.system(view)
        for environment in view.environments:
            listener.environment(environment)
        for name, one in view.metrics.items():
            listener.metrics(name, one)
        for name, items in view.checklists.items():
            listener.checklist(name, items)
        listener.logs(PRODUCTION, log_lines())
        listener.logs(STAGING, log_lines(12))
        listener.runs(self.listed)

    # -- Session -------------------------------------------------------------------------------------------------

    def last_known(self) -> SystemView | None:
        return None if self.first_time else staled(self.view())

    def open(self, listener: Listener) -> None:
        self._ask("open")
        self.listener = listener
        if self.fresh and not self.stale:
            self.tell_all(listener)

    def close(self) -> None:
        self.asked.append(("close",))

    def watch(self, environment: str) -> None:
        self.asked.append(("watch", environment))

    def refresh(self) -> None:
        self.asked.append(("refresh",))

    def armed_until(self, environment: str) -> float | None:
        return self.armed.get(environment)

    def arm(self, environment: str, on: bool) -> None:
        self.asked.append(("arm", environment, on))
        if on:
            self.armed[environment] = self.clock + 900
        else:
            self.armed.pop(environment, None)

    def keyring(self) -> KeyringShown:
        return self.ring

    def settle_keyring(self) -> None:
        self._ask("settle_keyring")

    def redacted(self, text: str) -> str:
        return self.redactor.text(text) if self.redactor is not None else text

    def unlock(self, passphrase: str) -> None:
        self._ask("unlock")
        if passphrase != "open sesame":
            raise AskFailed("That passphrase does not open the keyring.")
        self.ring = KeyringShown("unlocked", "sealed file")
        self.refuse.clear()

    def trust_profile(self) -> None:
        self.asked.append(("trust_profile",))
        self.refuse.pop("open", None)

    def actions(self, environment: str) -> tuple[ActionShown, ...]:
        self._ask("actions", environment)
        return ACTIONS

    def form(self, action: str, environment: str) -> tuple[FieldShown, ...]:
        self._ask("form", action, environment)
        return FIELDS

    def plan(self, action: str, environment: str, values: Mapping[str, str]) -> PlanShown:
        self._ask("plan", action, environment, dict(values))
        return plan(environment, self.refusal)._replace(session_bound=self.bound)

    def confirmation(self, environment: str) -> str:
        return environment if environment == PRODUCTION else ""

    def start(self, plan: PlanShown, reason: str, *, session_bound: bool = False) -> str:
        self._ask("start", plan.digest, reason, *(["session-bound"] if session_bound else []))
        return "r-0043"

    def runs(self) -> tuple[RunLine, ...]:
        self._ask("runs")
        return self.listed

    def run(self, id: str) -> RunShown:  # noqa: A002
        self._ask("run", id)
        return self.shown[id]

    def output(self, id: str, offset: int, step: str | None) -> Iterator[OutputShown]:  # noqa: A002
        self._ask("output", id, offset, step)
        if offset < len(OUTPUT):
            yield OutputShown(step or "up", OUTPUT[offset:], len(OUTPUT))

    def plan_of(self, id: str) -> PlanShown:  # noqa: A002
        self._ask("plan_of", id)
        return plan()._replace(foreign="This run was not made here.") if self.shown[id].foreign else plan()

    def cancel(self, id: str, then: Literal["undo", "leave"] | None = None) -> None:  # noqa: A002
        self._ask("cancel", id)

    def answer(
        self,
        id: str,  # noqa: A002
        choice: Choice,
        digest: str = "",
        reason: str = "",
        *,
        session_bound: bool = False,
    ) -> None:
        known = ["session-bound"] if session_bound else []
        self._ask("answer", id, choice, *([digest, reason] if digest else []), *known)
        if self.bound and not session_bound:
            raise SessionBound(self.bound, exit_code=4)

    def credentials(self) -> tuple[CredentialShown, ...]:
        self._ask("credentials")
        return self.vault

    def set_credential(self, name: str, value: str, field: str = "") -> None:
        self._ask("set_credential", name, len(value), field)

    def check_credential(self, name: str) -> tuple[str, str]:
        self._ask("check_credential", name)
        return "yes", "registry.example lists 41 tags of routing/backend"

    def remove_credential(self, name: str) -> None:
        self._ask("remove_credential", name)

    def releases(self, environment: str) -> tuple[ReleaseShown, ...]:
        self._ask("releases", environment)
        return RELEASES

    def lock(self, environment: str, reason: str | None) -> None:
        self._ask("lock", environment, reason)

    def checklist(self, environment: str) -> ChecklistView:
        self._ask("checklist", environment)
        return self.items[environment]

    def tick(self, environment: str, item: str, done: bool) -> None:
        self._ask("tick", environment, item, done)
        if self.listener is not None:
            old = self.items[environment]
            items = tuple(
                one._replace(state="ticked" if done else "open") if one.id == item else one for one in old.items
            )
            self.items[environment] = old._replace(items=items)
            self.listener.checklist(environment, self.items[environment])

    def verify(self, environment: str, item: str) -> None:
        self._ask("verify", environment, item)

    def shell(self, environment: str, service: str | None, host: str | None) -> tuple[str, ...]:
        self._ask("shell", environment, service, host)
        return ("true",)

    def explain(self, environment: str, kind: str, name: str) -> str:
        self._ask("explain", environment, kind, name)
        return (
            f"{kind} {name} in {environment}\n\n"
            "GET http://10.0.1.21:8080/healthz\n"
            "  02:14:12  502 after 2.0 s: upstream timed out\n"
            "  02:14:02  502 after 2.0 s: upstream timed out\n"
            "  02:13:52  200 in 11 ms\n\n"
            "container routing-frontend-prediction-1, started 02:11:40, restarted 3 times\n"
        )

    def demo(self) -> Callable[[], None] | None:
        return self.stops_demo


CREDENTIALS = (
    CredentialShown(
        "database",
        "Login of the backend",
        "database",
        "fine",
        "2026-11-02T09:00:00+00:00",
        21,
        "2027-01-31",
        "2027-01-31",
        "2026-11-23T04:00:00+00:00",
        "77b10cc3d2a9",
        ("current",),
        "Who runs the database",
        ("DATABASE_URL in .env of production", "DATABASE_URL in .env of staging"),
    ),
    CredentialShown(
        "jwt",
        "JWT signing secret",
        "other",
        "overdue",
        "2026-08-20T10:00:00+00:00",
        95,
        "2026-09-19",
        "2026-11-18",
        "",
        "3f9aab12cd34",
        ("current", "previous"),
        "Made by the rotation",
        ("JWT_SECRET in .env of production",),
    ),
    CredentialShown(
        "registry",
        "Registry, read access",
        "registry",
        "due",
        "2025-11-20T10:00:00+00:00",
        369,
        "2026-11-20",
        "2026-12-20",
        "2026-11-24T01:00:00+00:00",
        "0c44d1e8aa71",
        ("current",),
        "Package settings of the team",
        ("registry registry.example of production", "registry registry.example of staging"),
    ),
    CredentialShown(
        "smoke-user",
        "Account for smoke tests",
        "http",
        used=("smoke tests of production",),
        fields=("username", "password"),
    ),
)

HAPPENINGS = (
    Happening("production: frontend-prediction is unhealthy.", "bad", NOW - 120),
    Happening("monitoring: mon-1 does not answer any more.", "warn", NOW - 840),
    Happening("staging: release 1.5.0-rc2 was verified.", "ok", NOW - 2400),
)

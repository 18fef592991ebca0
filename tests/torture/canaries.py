"""Canary secrets × forms × split points × sinks: what of them is found where it may not be.

    python -m tests.torture.canaries

Streams (a run's spool, log lines on their way to a screen, standard error and a runner's log) get every form cut in two
at every place; sinks of whole texts get it once. The forms are computed here, not by the code under test. What the
redactor cannot find, and so is not tried, is in `console.text.encodings.GAPS` and docs/security.md.

`a_run` is one real run with a runner of its own whose steps print, say, return and raise the secret.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from unittest import mock

from console.answers import AskFailed
from console.feeds.docker_logs import Position, Reader
from console.feeds.follow import Source, follow_file
from console.feeds.line import LogLine, readable
from console.hosts.base import Result
from console.live.masked import masked
from console.runs.journal import Journal
from console.runs.spool import Spool
from console.session import RunShown, StepShown
from console.store.database import Database
from console.store.records import Records
from console.text.redact import Redactor
from console.text.secret import Secret
from console.text.writer import SafeWriter
from console.watch.views import EnvironmentView, RunLine, ServiceView
from tests.console.text.test_redact import CANARIES, encodings, printed

ROOT = Path(__file__).parents[2]


@dataclass
class Figures:
    """What was tried and what leaked."""

    secrets: int = 0
    forms: int = 0
    cases: int = 0
    """Secret × form × split point × sink."""
    leaks: int = 0
    by_sink: dict[str, int] = field(default_factory=dict)
    """Cases of each sink."""
    leaked: list[str] = field(default_factory=list)
    """Which secret, in which form, where."""


class Sink(Protocol):
    """Somewhere that text ends."""

    splits: bool
    """Whether it takes a text in parts."""

    def put(self, first: bytes, second: bytes) -> None: ...

    def held(self) -> bytes:
        """All that is there now."""
        ...


class SpoolSink:
    """The output of a run."""

    splits = True

    def __init__(self, redactor: Redactor, folder: Path) -> None:
        self.path = folder / "spool"
        self.spool, self.number = Spool(self.path, redactor), 0

    def put(self, first: bytes, second: bytes) -> None:
        self.number += 1
        self.spool.write("s1", self.number, "out", first)
        self.spool.write("s1", self.number, "out", second)
        self.spool.end("s1", self.number)

    def held(self) -> bytes:
        return self.path.read_bytes()


class FileLogSink:
    """Lines of a followed file, as a screen shows them."""

    splits = True

    def __init__(self, redactor: Redactor, folder: Path) -> None:
        self.redactor, self.lines = redactor, list[str]()
        self.name = "here"

    def put(self, first: bytes, second: bytes) -> None:
        stop = threading.Event()

        def run(command: Any, on_output: Any, cancel: Any) -> Result:
            on_output("out", first)
            on_output("out", second)
            stop.set()
            return Result(0, b"", b"", "exited", 0.0)

        host: Any = self
        host.run = run
        follow_file(Source("web", host, self.redactor.text), "/log", self._take, stop)

    def _take(self, lines: list[LogLine]) -> None:
        self.lines += [readable(line.text) for line in lines]

    def held(self) -> bytes:
        return "\n".join(self.lines).encode("utf-8", "surrogatepass")


class ContainerLogSink:
    """Lines of a followed container, as a screen shows them."""

    splits = False

    def __init__(self, redactor: Redactor, folder: Path) -> None:
        self.reader, self.lines = Reader("web", redactor.text, Position()), list[str]()

    def put(self, first: bytes, second: bytes) -> None:
        raw = [b"2026-11-24T02:14:55.1Z " + line for line in (first + second).split(b"\n")]
        self.lines += [readable(line.text) for line in self.reader.take(raw)]

    def held(self) -> bytes:
        return "\n".join(self.lines).encode("utf-8", "surrogatepass")


class WriterSink:
    """Standard error of the console and the command line, and a runner's log: traces, warnings of libraries."""

    splits = True

    def __init__(self, redactor: Redactor, folder: Path) -> None:
        self.below = io.StringIO()
        self.writer = SafeWriter(self.below)
        self.writer.redact_with(redactor)

    def put(self, first: bytes, second: bytes) -> None:
        self.writer.write(first.decode("utf-8", "surrogateescape"))
        self.writer.write(second.decode("utf-8", "surrogateescape") + "\n")

    def held(self) -> bytes:
        return self.below.getvalue().encode("utf-8", "surrogatepass")


class JournalSink:
    """Records of a run in the store; the same lines are copied to the hosts."""

    splits = False

    def __init__(self, redactor: Redactor, folder: Path) -> None:
        self.path = folder / "store.sqlite3"
        self.records = Records(Database(self.path))
        self.journal = Journal(self.records, "20261124-021455-canary", redactor)

    def put(self, first: bytes, second: bytes) -> None:
        text = (first + second).decode("utf-8", "surrogateescape").encode("utf-8", "replace").decode()
        self.journal.append("note", {"evidence": text, "outputs": {"out": [text], text: 1}})

    def held(self) -> bytes:
        lines = "\n".join(record.line() for record in self.records.read(self.journal.run))
        return self.path.read_bytes() + lines.encode()


class ScreenSink:
    """What a session gives to screens: views, runs, happenings, errors."""

    splits = False

    def __init__(self, redactor: Redactor, folder: Path) -> None:
        self.redactor, self.seen = redactor, list[Any]()

    def put(self, first: bytes, second: bytes) -> None:
        text = (first + second).decode("utf-8", "replace")
        service = ServiceView("web", "one", "bad", text, text, text, text, said=text)
        step = StepShown("s1", text, "one", text, evidence=text, gates=(text,))
        line = RunLine("r", "deploy", "one", text, "running", "ok", text, 0.0, 0.0, text)
        views = (
            EnvironmentView("one", text, False, "green", word=text, differs=(text,), services=(service,), problem=text),
            RunShown(line, (step,), ending=text, question=text, reason=text, where=text),
        )
        self.seen.append(masked(views, self.redactor.text))
        error = AskFailed(text, (text,))
        error.mask(self.redactor.text)
        self.seen.append((str(error), error.ways_out))

    def held(self) -> bytes:
        def texts(value: Any) -> Iterator[str]:
            if isinstance(value, str):
                yield value
            elif isinstance(value, tuple | list):
                for part in value:
                    yield from texts(part)

        return "\n".join(texts(self.seen)).encode("utf-8", "surrogatepass")


class CommandSink:
    """What the command line prints: text, `--json`, and the trace of a fault."""

    splits = False

    def __init__(self, redactor: Redactor, folder: Path) -> None:
        self.redactor, self.out = redactor, io.StringIO()

    def put(self, first: bytes, second: bytes) -> None:
        from console.cli import output
        from console.cli.edge import guarded

        text = (first + second).decode("utf-8", "replace")

        def fails() -> int:
            raise ValueError(text)

        before = list(output._redactors)
        with contextlib.redirect_stdout(self.out), contextlib.redirect_stderr(self.out):
            output.redact_with(self.redactor)
            output.give(text)
            output.give_json({"said": text, "more": [text]})
            guarded(fails, as_json=True)
        output._redactors[:] = before

    def held(self) -> bytes:
        return self.out.getvalue().encode("utf-8", "surrogatepass")


SINKS: dict[str, Callable[[Redactor, Path], Sink]] = {
    "spool": SpoolSink,
    "log of a file": FileLogSink,
    "log of a container": ContainerLogSink,
    "standard error and runner log": WriterSink,
    "journal": JournalSink,
    "screens": ScreenSink,
    "command line": CommandSink,
}


def matrix(*, guarded: bool = True, every: int = 1, only: tuple[str, ...] = ()) -> Figures:
    """Try all of it. `every`: only each so many-eth split point; `only`: these sinks. `guarded` False: the control."""
    found = Figures(secrets=len(CANARIES))
    names = only or tuple(SINKS)
    redactor = Redactor({name: Secret(value) for name, value in CANARIES.items()} if guarded else {})
    for secret, value in CANARIES.items():
        wanted = encodings(value)
        for how, form in printed(value).items():
            if how not in wanted or not form:
                continue
            found.forms += 1
            line = b"see " + form + b" here"
            for name in names:
                with tempfile.TemporaryDirectory() as place:
                    sink = SINKS[name](redactor, Path(place))
                    cuts = range(0, len(line) + 1, every) if sink.splits else (0,)
                    for cut in cuts:
                        sink.put(line[:cut], line[cut:] + (b"\n" if sink.splits else b""))
                    found.cases += len(cuts)
                    found.by_sink[name] = found.by_sink.get(name, 0) + len(cuts)
                    held = sink.held()
                    # JSON puts another layer of escapes around what it holds.
                    twice = json.dumps(wanted[how].decode("utf-8", "replace"))[1:-1].encode()
                    if wanted[how] in held or twice in held:
                        found.leaks += 1
                        found.leaked.append(f"{secret}, {how}: {name}")
    return found


# -- one real run ------------------------------------------------------------------------------------------------------

SECRET = "canary-Zq8vR4xKd/+7!w"
PASSPHRASE = "a passphrase of nobody"
REDACTOR_OFF = "from tests.torture.unguarded import without_redactor\nwithout_redactor()\n"


@dataclass
class RunFigures:
    """Where the secret of a real run was found."""

    places: int = 0
    """Files and answers that were looked through."""
    leaks: list[str] = field(default_factory=list)
    kept_raw: list[str] = field(default_factory=list)
    """On the host: what commands themselves printed, which is kept there as it was, for its owner only."""


def a_run(folder: Path, *, guarded: bool = True) -> RunFigures:
    """A run of `tests.torture.leaky` with a real runner, and a look at all that it left here and on its host."""
    from console.credentials.sealed_file import Kdf
    from console.live.keys import Keys
    from console.runs.create import create_run, decide
    from console.runs.planning import make_plan
    from console.runs.spool import read
    from profiles.models import Profile
    from tests.console.runs.world import METADATA, World, until
    from tests.lab.leaks import watched_processes
    from tests.torture.leaky import ACTION, LeakyParams

    world = World(folder)
    info = folder / "plugin" / "leaky-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(METADATA.replace("tally", "leaky"))
    (info / "entry_points.txt").write_text("[quarterdeck.actions]\nleaky = tests.torture.leaky:ACTION\n")
    if not guarded:
        (folder / "plugin" / "sitecustomize.py").write_text(REDACTOR_OFF)
    body = world.profile.model_dump(mode="json", exclude_none=True)
    body["credentials"] = {"canary": {"kind": "registry"}}
    stack = body["environments"]["here"]["stack"]
    stack["registry"] = {"host": "r.example", "username": "ci", "password": {"secret": "canary"}}
    profile = Profile.model_validate(body)
    world.records.remember("profile:leaky", profile.dumped())
    keys = Keys(profile, world.places.keyring, Redactor())
    ring = keys._sealed()
    assert ring is not None
    ring.create(Secret(PASSPHRASE), Kdf(passes=1, memory_kib=64, lanes=1))
    keys.credentials().set("canary", Secret(SECRET))
    with world.environment() as environment:
        planned = make_plan(ACTION, environment, LeakyParams(), user="me@here", secret=keys.get)
    assert planned.plan is not None, planned.refusal
    run = create_run(
        world.records, system="world", profile_key="profile:leaky", plan=planned.plan, params=LeakyParams(),
        facts=planned.facts, draws=planned.draws, who="me@here", reason="a test",
    )  # fmt: skip
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = f"{ROOT}:{folder / 'plugin'}"
    try:
        with mock.patch("console.runs.client.START_S", 90.0), watched_processes([SECRET]) as in_processes:
            world.runs.start_runner(run, keys.session_key())
            until(lambda: bool(world.view(run).question), "its question about the step that raised", 90)
            decide(world.records, run, "leave", "me@here")
            until(lambda: world.view(run).state == "closed" and world.runs.leases.holder(run) is None, "its end", 90)
    finally:
        os.environ.pop("PYTHONPATH") if before is None else os.environ.update(PYTHONPATH=before)
    said = b"".join(chunk.data for chunk in read(world.places.spool(run)))
    assert b"END OF THE LEAKS" in said, f"the steps did not run: {world.view(run).text}\n{world.log(run)}"
    found = RunFigures(leaks=[f"process: {one}" for one in in_processes], places=1)
    forms = [form for how, form in encodings(SECRET).items() if how != "url lower"]
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "keyring" not in path.parts and "plugin" not in path.parts:
            found.places += 1
            data = path.read_bytes()
            if any(form in data for form in forms):
                raw = path.name == "out" and "steps" in path.parts and not path.stat().st_mode & 0o077
                (found.kept_raw if raw else found.leaks).append(str(path.relative_to(folder)))
    world.records.database.close()
    return found


if __name__ == "__main__":
    for on in (True, False):
        sys.stdout.write(f"{'guarded' if on else 'control, no redactor'}: {matrix(guarded=on)}\n")
        with tempfile.TemporaryDirectory() as there:
            sys.stdout.write(f"  a real run: {a_run(Path(there), guarded=on)}\n")

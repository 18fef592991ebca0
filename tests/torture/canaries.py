"""Part 8: canary secrets × forms × split points × sinks: what of them is found where it may not be.

Streams (a run's spool, log lines on their way to a screen, standard error and a runner's log) get every form cut in two
at every place; sinks of whole texts get it once. The forms are computed here, not by the code under test. What the
redactor cannot find, and so is not tried, is in `console.text.encodings.GAPS` and docs/security.md.

`canary_run.py` is one real run with a runner of its own whose steps print, say, return and raise the secret.
"""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from console.answers import AskFailed
from console.feeds.docker_logs import Position, Reader
from console.feeds.follow import Source, follow_file
from console.feeds.line import LogLine, readable
from console.hosts.base import Result as HostResult
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
from tests.torture.canary_run import a_run
from tests.torture.cells import Cell, Result, Worker

NAME = "canaries"
TITLE = "Canary secrets"
ABOUT = (
    "Secrets in every form that a tool prints them in (as they are, percent-encoded, as JSON, quoted, base64 at "
    "three offsets, hexadecimal …), cut in two at every place where a sink takes a text in parts, into every sink. "
    "One cell is one secret in all its forms into one sink. And real runs, with runners of their own, whose steps "
    "print, say, return and raise a secret: all files here and on the host (store, spool, runner's log, journal), "
    "arguments and environment of every process. What no form covers is in [security.md](security.md)."
)
COUNTS = {"leaks": "leaks"}
FIGURES = {"cases": "cases", "forms": "forms of secrets", "places": "files looked through"}
LAB = False
REAL = "a real run"
COUNT = 5
CONTROLS = 1
MUST_COUNT = ("redactor",)


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

        def run(command: Any, on_output: Any, cancel: Any) -> HostResult:
            on_output("out", first)
            on_output("out", second)
            stop.set()
            return HostResult(0, b"", b"", "exited", 0.0)

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


def matrix(
    *, guarded: bool = True, every: int = 1, only: tuple[str, ...] = (), secrets: Sequence[str] = tuple(CANARIES)
) -> Figures:
    """Try all of it. `every`: only each so many-eth split point; `only`: these sinks, of `secrets`. `guarded` False:
    the control."""
    found = Figures(secrets=len(secrets))
    names = only or tuple(SINKS)
    redactor = Redactor({name: Secret(value) for name, value in CANARIES.items()} if guarded else {})
    for secret in secrets:
        value = CANARIES[secret]
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


# -- as a part ---------------------------------------------------------------------------------------------------------


def cells(count: int | None) -> list[Cell]:
    """`count`: so many of the secrets."""
    many = len(CANARIES) if count is None else min(count, len(CANARIES))
    runs = COUNT if count is None else min(count, COUNT)
    found = [Cell(NAME, sink, number) for number in range(many) for sink in SINKS]
    found += [Cell(NAME, sink, number, "redactor") for number in range(CONTROLS) for sink in SINKS]
    found += [Cell(NAME, REAL, number) for number in range(runs)]
    return found + [Cell(NAME, REAL, number, "redactor") for number in range(CONTROLS)]


@contextmanager
def bench(folder: Path) -> Iterator[Sequence[Worker]]:
    yield [one]


def one(cell: Cell, seed: int) -> Result:
    """One secret into one sink, or one real run."""
    if cell.group == REAL:
        with tempfile.TemporaryDirectory(prefix="torture-", ignore_cleanup_errors=True) as made:
            real = a_run(Path(made), guarded=not cell.control)
        return Result(
            counts={"leaks": len(real.leaks)},
            figures={"places": real.places, "cases": 0, "forms": 0},
            note="; ".join(real.leaks),
        )
    secret = sorted(CANARIES)[cell.number]
    found = matrix(guarded=not cell.control, every=1000 if cell.control else 1, only=(cell.group,), secrets=(secret,))
    return Result(
        counts={"leaks": found.leaks},
        figures={"cases": found.cases, "forms": found.forms, "places": 0},
        note="; ".join(found.leaked),
    )

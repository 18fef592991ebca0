"""What every part of the torture is made of: cells, drawn from a seed, and what came of each.

A cell is one fault at one moment. It can be run again alone by its name, since all that is drawn for it comes from the
seed and that name.
"""

from __future__ import annotations

import json
import random
import subprocess
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Protocol

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "tests" / "out" / "torture"


@dataclass(frozen=True)
class Cell:
    """One fault at one moment. `control`: the guard that is off, empty in the real ones."""

    part: str
    group: str
    number: int
    control: str = ""

    @property
    def name(self) -> str:
        """`kills/after intent/17`; a control is `kills/after intent/17/intent`."""
        return "/".join(filter(None, (self.part, self.group, str(self.number), self.control)))

    def drawn(self, seed: int) -> random.Random:
        """What is drawn for this cell, the same each time."""
        return random.Random(f"{seed}/{self.name}")


@dataclass
class Result:
    """What came of a cell. `counts` are what must be zero; `wrong` says in words what else was not as it must be."""

    counts: dict[str, int] = field(default_factory=dict)
    figures: dict[str, float] = field(default_factory=dict)
    wrong: str = ""
    note: str = ""

    @property
    def bad(self) -> bool:
        """Whether a real cell may not be like this."""
        return bool(self.wrong) or any(self.counts.values())


def drawn_up(part: str, counts: Mapping[str, int], controls: Mapping[tuple[str, str], int]) -> list[Cell]:
    """Cells of a part in the order in which they are run: all kinds by turns, so that what ran in part says of each.

    `counts`: of each group; `controls`: of each group and guard.
    """
    many = [Cell(part, group, number) for group, count in counts.items() for number in range(count)]
    many += [Cell(part, *key, control) for (key, control) in _controls(controls)]
    whole = {(cell.group, cell.control): 0 for cell in many}
    for cell in many:
        whole[cell.group, cell.control] += 1
    return sorted(many, key=lambda cell: cell.number / whole[cell.group, cell.control])


def _controls(controls: Mapping[tuple[str, str], int]) -> Iterator[tuple[tuple[str, int], str]]:
    for (group, control), count in controls.items():
        for number in range(count):
            yield (group, number), control


class NotSetUp(Exception):
    """What a cell needs could not be started: that says nothing of what is tested, so it is no result."""


Worker = Callable[[Cell, int], Result]


class Part(Protocol):
    """One part: which cells there are, and how one is run."""

    NAME: str
    TITLE: str
    ABOUT: str
    COUNTS: Mapping[str, str]
    """What is counted and must be zero, and its heading. A part may also have

    `FIGURES`: figures that are summed, and their headings; `SPREADS`: figures of which median and most are shown;
    `MUST_COUNT`: controls that must count more than zero; `AS_WORDS`: its cells say something, and count nothing.
    """
    LAB: bool

    def cells(self, count: int | None) -> list[Cell]:
        """All cells; `count`: so many of each group instead of the usual number."""
        ...

    def bench(self, folder: Path) -> AbstractContextManager[Sequence[Worker]]:
        """What runs cells, side by side where there are several."""
        ...


def run(part: Part, cells: Iterable[Cell], seed: int, folder: Path, until: float) -> Iterator[tuple[Cell, Result]]:
    """Run cells until that time of the monotonic clock; each with its result as it is there."""
    left = iter(list(cells))
    with part.bench(folder) as workers, ThreadPoolExecutor(len(workers)) as pool:

        def one(worker: Worker) -> tuple[Cell, Result | None] | None:
            cell = next(left, None)
            if cell is None or time.monotonic() > until:
                return None
            began = time.monotonic()
            try:
                result = worker(cell, seed)
            except NotSetUp as error:
                print(f"{cell.name} was not begun: {error}", flush=True)
                return cell, None
            except Exception as error:  # noqa: BLE001 - a cell that breaks is a result, and the others go on
                result = Result(wrong=f"{type(error).__name__}: {error}\n{traceback.format_exc(limit=-4)}")
            result.figures.setdefault("took", round(time.monotonic() - began, 3))
            return cell, result

        running = {pool.submit(one, worker): worker for worker in workers}
        while running:
            for future in list(running):
                if not future.done():
                    continue
                worker = running.pop(future)
                found = future.result()
                if found is not None:
                    if found[1] is not None:
                        yield found[0], found[1]
                    running[pool.submit(one, worker)] = worker
            time.sleep(0.005)


def results(part: str, seed: int) -> Path:
    """Where the results of a part with one seed are kept."""
    return OUT / f"{part}-{seed}.jsonl"


def kept(file: Path) -> list[tuple[Cell, Result, str]]:
    """Results of earlier runs of the same seed, with the source they are of."""
    if not file.exists():
        return []
    found = []
    for line in file.read_text().splitlines():
        raw = json.loads(line)
        found.append((Cell(**raw["cell"]), Result(**raw["result"]), str(raw["source"])))
    return found


def keep(file: Path, cell: Cell, result: Result, version: str) -> None:
    """Add one result."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as out:
        out.write(
            json.dumps({"cell": asdict(cell), "result": asdict(result), "source": version, "at": time.time()}) + "\n"
        )


def source() -> str:
    """What is tested: the name that Git gives to what is in console/, with `+` for changes; `unknown` without Git."""
    try:
        head = _git("rev-parse", "--short=10", "HEAD:console").strip()
        changed = _git("status", "--porcelain", "--", "console").strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head + ("+" if changed else "")


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout

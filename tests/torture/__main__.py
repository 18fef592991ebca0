"""`python -m tests.torture [PART…]`: the fault matrix. Prints its seed; writes docs/reliability.md of what it found."""

from __future__ import annotations

import argparse
import importlib
import secrets
import sys
import tempfile
import time
from pathlib import Path
from typing import cast

from tests.torture import report
from tests.torture.cells import Part, keep, kept, results, run, source

PARTS = (
    *("kills", "steps", "races", "frozen", "faults", "agents", "notice"),
    *("text", "canaries", "terminal", "costs"),
)


def part(name: str) -> Part:
    """The module of one part."""
    return cast(Part, importlib.import_module(f"tests.torture.{name}"))


def main(argv: list[str]) -> int:
    """Run cells; 1 if one of them was not as it must be, or a control counted nothing."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all when left out")
    parser.add_argument("--seed", type=int, help="the seed of an earlier run; what that one did is not done again")
    parser.add_argument("--count", type=int, help="so many cells of each group instead of the usual number")
    parser.add_argument("--limit", type=float, default=0, help="begin no cell after so many seconds; 0: no limit")
    parser.add_argument("--cell", help="this one alone, by its name: kills/after intent/17")
    parser.add_argument("--fresh", action="store_true", help="do again what an earlier run of this seed did")
    parser.add_argument("--report", action="store_true", help="only write docs/reliability.md of what there is")
    given = parser.parse_args(argv)
    seed = given.seed if given.seed is not None else secrets.randbelow(1_000_000)
    print(f"seed {seed}", flush=True)
    wanted = [given.cell.partition("/")[0]] if given.cell else given.parts or list(PARTS)
    unknown = [name for name in wanted if name not in PARTS]
    if unknown:
        parser.error(f"there is no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    until = time.monotonic() + given.limit if given.limit else float("inf")
    bad = 0
    for name in [] if given.report else wanted:
        bad += _run(part(name), seed, given, until)
        for control in [] if given.cell else report.blind(part(name), kept(results(name, seed))):
            print(f"{name}: with {control} off nothing was counted: its zeros say nothing", flush=True)
            bad += 1
    if not given.cell:
        report.write([part(name) for name in PARTS], seed)
    return 1 if bad else 0


def _run(chosen: Part, seed: int, given: argparse.Namespace, until: float) -> int:
    file = results(chosen.NAME, seed)
    if given.fresh and not given.cell:
        file.unlink(missing_ok=True)
    done = set() if given.cell else {cell.name for cell, _, _ in kept(file)}
    every = chosen.cells(given.count)
    todo = [cell for cell in every if cell.name == given.cell or (not given.cell and cell.name not in done)]
    if given.cell and not todo:
        print(f"there is no cell {given.cell}")
        return 1
    print(f"{chosen.NAME}: {len(todo)} of {len(every)} cells", flush=True)
    bad, at, version = 0, time.monotonic(), source()
    with tempfile.TemporaryDirectory(prefix="torture-") as folder:
        Path(folder).chmod(0o755)
        for count, (cell, result) in enumerate(run(chosen, todo, seed, Path(folder), until), 1):
            if not given.cell:
                keep(file, cell, result, version)
            if not cell.control and result.bad:
                bad += 1
            if given.cell or (not cell.control and result.bad):
                print(f"{'BAD  ' if result.bad else ''}{cell.name}: {result}", flush=True)
            if count % 50 == 0:
                print(f"{chosen.NAME}: {count} done in {time.monotonic() - at:.0f} s, {bad} bad", flush=True)
    return bad


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

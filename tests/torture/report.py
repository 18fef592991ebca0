"""Writes docs/reliability.md of the results there are: figures of what ran, and by name what did not."""

from __future__ import annotations

import platform
import sqlite3
import statistics
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tests.torture.cells import ROOT, Cell, Part, Result, kept, results

FILE = ROOT / "docs" / "reliability.md"
HEAD = """# Reliability

What happens when things die at the worst moment, in figures. `make torture` makes this page: it draws faults from a
seed, runs them against real processes, sshd and Docker, and lets the target count what was done to it: lines in a
file, rows in a table, the engine's events; never the program's own journal. Each zero stands beside a control, the
same cells with one guard switched off, which must count more than zero.

    make torture                                          all of it, with a new seed, which it prints
    .venv/bin/python -m tests.torture --seed N            the same again; what that seed has done already is kept
    .venv/bin/python -m tests.torture kills --count 10    one part, ten cells of each kind
    .venv/bin/python -m tests.torture --limit 600         begin no cell after ten minutes; the same seed goes on there
    .venv/bin/python -m tests.torture --seed N --cell "kills/after intent/17"    one cell

Parts over SSH need the lab (`tests/lab/README.md`). A sample of the parts without it runs in `make test`.

"n of m" in a table: so many of the cells that the whole has were run with this seed; a line with fewer says less. A
cell that ended otherwise than it must is listed below its table, by the name with which it can be run alone.
"""
TAIL = """
## What these figures are not

- Everything ran on one machine: its hosts are name spaces with an sshd, a Docker engine, a cable and a small disk of
  their own, but one kernel and one clock. No packet was lost on a real network; a cable was pulled.
- A process was killed, never the power: that a record is on the disk when it is said to be rests on SQLite
  (`synchronous=EXTRA`) and on a disk that honours a sync.
- Leases and locks are shorter in the parts about kills (a tenth; a dead lock is waited for, not pretended), and as
  shipped in those about faults and dead hosts.
- No macOS, no login manager that ends a session, no Docker newer than the one above, no Swarm.
- What no form of a canary covers, and what is not shown on a terminal yet, is in [security.md](security.md).
"""


def write(parts: Sequence[Part], seed: int, file: Path = FILE) -> None:
    """Write the page."""
    found = {part.NAME: kept(results(part.NAME, seed)) for part in parts}
    file.write_text(page(parts, found, seed, versions()))


def page(
    parts: Sequence[Part],
    found: Mapping[str, Sequence[tuple[Cell, Result, str]]],
    seed: int,
    with_versions: Mapping[str, str],
) -> str:
    """The page as text."""
    sources = sorted({source for each in found.values() for _, _, source in each})
    lines = [HEAD, "## This run\n", "| | |", "|---|---|", f"| seed | {seed} |"]
    lines.append(f"| source (`git rev-parse HEAD:console`) | {', '.join(sources) or 'none'} |")
    lines.append(f"| written | {time.strftime('%Y-%m-%d')} |")
    lines += [f"| {name} | {value} |" for name, value in with_versions.items()]
    for part in parts:
        lines += ["", *_section(part, found[part.NAME])]
    missing = [f"- {part.TITLE} (`{part.NAME}`)" for part in parts if not found[part.NAME]]
    if missing:
        lines += ["", "## Not run with this seed", "", *missing]
    return "\n".join(lines) + "\n" + TAIL


def _section(part: Part, found: Sequence[tuple[Cell, Result, str]]) -> list[str]:
    lines = [f"## {part.TITLE}", "", part.ABOUT, ""]
    if not found:
        return [*lines, "Not run with this seed."]
    planned = part.cells(None)
    if getattr(part, "AS_WORDS", False):
        said = [
            f"| {cell.group} | {result.wrong.splitlines()[0] if result.wrong else result.note} |"
            for cell, result, _ in found
        ]
        return [*lines, "| what | measured |", "|---|---|", *said]
    sums: Mapping[str, str] = getattr(part, "FIGURES", {})
    spreads: Mapping[str, str] = getattr(part, "SPREADS", {})
    heads = ["", "cells run", *sums.values(), *part.COUNTS.values(), "otherwise wrong", *spreads.values()]
    lines += [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    groups = dict.fromkeys(cell.group for cell in planned if not cell.control)
    for group in groups:
        some = [result for cell, result, _ in found if cell.group == group and not cell.control]
        many = sum(1 for cell in planned if cell.group == group and not cell.control)
        lines.append(_row(part, group, some, many))
    if len(groups) > 1:
        every = [result for cell, result, _ in found if not cell.control]
        lines.append(_row(part, "**all**", every, sum(1 for cell in planned if not cell.control)))
    controls = dict.fromkeys((cell.control, cell.group) for cell in planned if cell.control)
    if controls:
        lines += ["", "Controls, a guard switched off:", ""]
        lines += [
            f"| off | kind | cells run | {' | '.join(part.COUNTS.values())} |",
            f"|{'---|' * (3 + len(part.COUNTS))}",
        ]
        for control, group in controls:
            some = [result for cell, result, _ in found if (cell.control, cell.group) == (control, group)]
            lines.append(f"| {control} | {group} | {len(some)} | {' | '.join(_counts(part, some))} |")
    dark = blind(part, found)
    if dark:
        lines += ["", f"**The zeros above say nothing: with {', '.join(dark)} off, nothing was counted.**"]
    lines += _bad(found)
    return lines


def _row(part: Part, name: str, some: Sequence[Result], many: int) -> str:
    sums: Mapping[str, str] = getattr(part, "FIGURES", {})
    spreads: Mapping[str, str] = getattr(part, "SPREADS", {})
    summed = [f"{sum(one.figures.get(figure, 0) for one in some):.10g}" for figure in sums]
    wrong = sum(bool(one.wrong) for one in some)
    spread = [_spread([one.figures[figure] for one in some if figure in one.figures]) for figure in spreads]
    return f"| {' | '.join((name, f'{len(some)} of {many}', *summed, *_counts(part, some), str(wrong), *spread))} |"


def blind(part: Part, found: Sequence[tuple[Cell, Result, str]]) -> list[str]:
    """Guards whose control must count more than zero and did not, or was not run; none where no cell was run."""
    if not found:
        return []
    seen = {
        control: sum(sum(result.counts.values()) for cell, result, _ in found if cell.control == control)
        for control in getattr(part, "MUST_COUNT", ())
    }
    return [control for control, counted in seen.items() if not counted]


def _counts(part: Part, some: Iterable[Result]) -> list[str]:
    some = list(some)
    return [str(sum(one.counts.get(name, 0) for one in some)) for name in part.COUNTS]


def _spread(seconds: Sequence[float]) -> str:
    """Median and most."""
    return f"{statistics.median(seconds):.1f}, {max(seconds):.1f}" if seconds else ""


def _bad(found: Sequence[tuple[Cell, Result, str]]) -> list[str]:
    bad = [(cell, result) for cell, result, _ in found if not cell.control and result.bad]
    if not bad:
        return []
    lines = ["", "Not as they must be:", ""]
    for cell, result in bad[:20]:
        counted = ", ".join(f"{name} {count}" for name, count in result.counts.items() if count)
        why = (result.wrong or result.note).splitlines()[0][:200] if (result.wrong or result.note) else ""
        lines.append(f"- `{cell.name}`: {'; '.join(filter(None, (counted, why)))}")
    return lines


def versions() -> dict[str, str]:
    """What it ran on, as the programs themselves say."""
    from importlib.metadata import version

    made = {
        "Quarterdeck": version("quarterdeck"),
        "system": platform.platform(),
        "Python, SQLite": f"{platform.python_version()}, {sqlite3.sqlite_version}",
    }
    for name, words in {"OpenSSH": ("ssh", "-V"), "Docker engine": ("/usr/sbin/dockerd", "--version")}.items():
        try:
            said = subprocess.run(words, capture_output=True, text=True, timeout=20, check=True)
        except (OSError, subprocess.SubprocessError):
            continue
        made[name] = (said.stdout + said.stderr).strip().splitlines()[0]
    return made

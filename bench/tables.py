"""Tables of figures: a median with its spread, a budget, and whether it is kept."""

from __future__ import annotations

import statistics
from collections.abc import Sequence


def spread(values: Sequence[float], unit: str = "s", digits: int = 3) -> str:
    """`0.123 s (0.120–0.140)`: median, minimum and maximum."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:.{digits}f} {unit} ({low:.{digits}f}–{high:.{digits}f}, n={len(values)})"


def show(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print plain columns."""
    every = [list(columns), *[[str(cell) for cell in row] for row in rows]]
    widths = [max(len(row[index]) for row in every) for index in range(len(columns))]
    for row in every:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def kept(value: float, budget: float) -> str:
    """Whether a figure is within its budget."""
    return "kept" if value <= budget else "MISSED"

"""`python -m bench [NAME…]`: run the benchmarks named, or all; each prints a table and what its budget is."""

from __future__ import annotations

import importlib
import platform
import sys
from pathlib import Path

SKIPPED = {"__init__", "__main__", "tables", "pty"}


def names() -> list[str]:
    """Every module of this folder that has a `main`."""
    return sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem not in SKIPPED)


def main(wanted: list[str]) -> int:
    """Run them one after the other; the number of those that could not run."""
    print(f"{platform.platform()}, Python {platform.python_version()}; medians, with minimum and maximum")
    failed = 0
    for name in wanted or names():
        print(f"\n== {name}")
        try:
            importlib.import_module(f"bench.{name}").main()
        except (OSError, RuntimeError) as error:
            failed += 1
            print(f"not measured: {error}")
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

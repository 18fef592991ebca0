"""Quarterdeck: a terminal operations console."""

import sys

__version__ = "0.1.0"

GARBAGE = (100_000, 50, 100)
"""Objects between looks for cyclic garbage, and how many small looks make a larger one, in processes that live for one
command or one run: what imports make is none, and looking through it took a tenth of a start."""

# httpx's own command line, with rich, click and pygments, is half of the time that importing httpx takes; httpx goes
# without where it cannot be imported.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]

"""`python -m tests.journals`: keep runs as the version of this checkout writes them."""

from __future__ import annotations

import sys

from console import __version__
from tests.journals.kept import HERE, STATES, keep

target = HERE / __version__
if target.exists():
    sys.exit(f"{target} is there: what was kept is never changed")
for name, state in STATES.items():
    keep(target / name, state)

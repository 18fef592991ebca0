"""The lab for a part that needs it: the one that runs, or one that is brought up and taken down again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.lab import lab as the_lab
from tests.lab.lab import Lab
from tests.lab.prerequisites import missing


@contextmanager
def running() -> Iterator[Lab]:
    """A running lab; one that was up stays up. Raises RuntimeError where something is not installed."""
    wanting = missing()
    if wanting:
        raise RuntimeError(wanting)
    was_up = the_lab.attach() is not None
    lab = the_lab.up()
    try:
        yield lab
    finally:
        if not was_up:
            the_lab.down()

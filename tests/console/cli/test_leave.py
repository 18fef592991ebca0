"""How the process ends while a thread of it is at work where it cannot be stopped."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

AT_WORK = """
import sys, threading, time
sys.setswitchinterval(0.0005)
import pydantic

class Model(pydantic.BaseModel):
    numbers: list[int]

    @pydantic.field_validator("numbers", mode="before")
    @classmethod
    def long(cls, numbers: list[int]) -> list[int]:
        for _ in range(2000):
            began.set()
        return numbers

def work() -> None:
    while True:
        Model.model_validate({"numbers": [1, 2]})

began = threading.Event()
threading.Thread(target=work, daemon=True).start()
began.wait()
print("said")
from console.cli import leave
"""
TIMES, OFTEN = 4, 30


def ends(last: str, times: int) -> Iterator[tuple[int, str, str]]:
    """How processes end whose last words are these, one after the other: code, standard output, standard error."""
    for _ in range(times):
        done = subprocess.run([sys.executable, "-c", AT_WORK + last], capture_output=True, text=True, timeout=60)
        yield done.returncode, done.stdout, done.stderr


def test_a_thread_that_cannot_be_stopped_does_not_abort_the_process() -> None:
    told = "leave(3, lambda: print('last words', file=sys.stderr))"
    assert list(ends(told, TIMES)) == [(3, "said\n", "last words\n")] * TIMES


def test_without_the_guard_it_aborts() -> None:
    """The control, by chance: most often the first aborts."""
    aborted = any(code < 0 for code, _, _ in ends("sys.exit(3)", OFTEN))
    assert aborted, "this Python and this pydantic end well by themselves: the guard could go"

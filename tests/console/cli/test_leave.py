"""How the process ends while a thread of it is at work where it cannot be stopped."""

from __future__ import annotations

import subprocess
import sys

import pytest

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
TIMES = 4


def ends(last: str) -> list[tuple[int, str, str]]:
    """How a few processes end whose last words are these: code, standard output, standard error."""
    found = []
    for _ in range(TIMES):
        done = subprocess.run([sys.executable, "-c", AT_WORK + last], capture_output=True, text=True, timeout=60)
        found.append((done.returncode, done.stdout, done.stderr))
    return found


def test_a_thread_that_cannot_be_stopped_does_not_abort_the_process() -> None:
    told = "leave(3, lambda: print('last words', file=sys.stderr))"
    assert ends(told) == [(3, "said\n", "last words\n")] * TIMES


def test_without_the_guard_it_aborts() -> None:
    if not any(code < 0 for code, _, _ in ends("sys.exit(3)")):
        pytest.xfail("this Python and this pydantic end well by themselves: the guard could go")

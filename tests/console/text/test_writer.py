"""Standard error of a process of ours: what nobody made safe comes out safe, whole lines at once."""

from __future__ import annotations

import io
import logging
import threading
from typing import Any

import pytest

from console.text.redact import Redactor
from console.text.secret import Secret
from console.text.writer import SafeWriter

SECRET = "hunter2-Zq8vR4xKd"
HOSTILE = f"server said \x1b]52;c;aGk=\x07{SECRET}\u202e"


@pytest.fixture
def below() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def writer(below: io.StringIO) -> SafeWriter:
    made = SafeWriter(below)
    made.redact_with(Redactor({"db": Secret(SECRET)}))
    return made


def test_control_the_stream_itself_takes_everything(below: io.StringIO) -> None:
    below.write(HOSTILE)
    assert "\x1b" in below.getvalue() and SECRET in below.getvalue()


def test_a_line_comes_out_once_it_is_whole(writer: SafeWriter, below: io.StringIO) -> None:
    for letter in HOSTILE:
        writer.write(letter)
    assert below.getvalue() == ""
    writer.write("\nrest of ")
    assert below.getvalue() == "server said <redacted:db><U+202E>\n"
    writer.write(SECRET)
    writer.finish()
    assert below.getvalue().endswith("rest of <redacted:db>\n")


def test_a_secret_that_is_learnt_later_is_masked_too(below: io.StringIO) -> None:
    writer, redactor = SafeWriter(below), Redactor()
    writer.write(f"{SECRET}\n")
    assert SECRET in below.getvalue(), "the control: nobody knows it yet"
    writer.redact_with(redactor)
    redactor.add("db", Secret(SECRET))
    writer.write(f"{SECRET}\n")
    assert below.getvalue().endswith("<redacted:db>\n")


def test_what_threads_and_libraries_write_comes_through_it(
    writer: SafeWriter, below: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr", writer)
    monkeypatch.setattr(threading, "excepthook", threading.__excepthook__)

    def dies() -> Any:
        raise ValueError(HOSTILE)

    thread = threading.Thread(target=dies)
    thread.start()
    thread.join()
    last = logging.lastResort
    assert last is not None
    last.handle(logging.LogRecord("library", logging.WARNING, "x.py", 1, HOSTILE, (), None))
    said = below.getvalue()
    assert said.count("<redacted:db>") == 2 and "Traceback" in said
    assert SECRET not in said and "\x1b" not in said and "\u202e" not in said

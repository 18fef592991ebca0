"""A key reaches a child by a descriptor only, and a passphrase is asked for without echo."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import pty
import subprocess
import sys
import threading
import time

import pytest

from console.credentials.errors import KeyringLocked, WrongPassphrase
from console.credentials.sealed import SealedFileKeyring
from console.credentials.unlock import (
    Asked,
    SessionKey,
    TerminalUnlocker,
    read_key_fd,
    read_passphrase_fd,
    write_key_fd,
)
from console.text.secret import Secret, SecretLeak

from .conftest import PASSPHRASE

CHILD = """
import sys, os
from pathlib import Path
from console.credentials.sealed import SealedFileKeyring
from console.credentials.cores import no_core_dumps
from console.credentials.unlock import read_key_fd
no_core_dumps(of_children=True)
ring = SealedFileKeyring(Path(sys.argv[1]), read_key_fd(int(sys.argv[2])))
print(ring.get_password("s", "a"))
print(open("/proc/self/limits").read().split("Max core file size")[1].split()[0])
try:
    os.stat(int(sys.argv[2]))
except OSError:
    print("descriptor closed")
"""


def test_a_detached_child_gets_the_key_by_a_descriptor(ring, place):
    ring.set_password("s", "a", "value of a")
    fd = write_key_fd(ring.key)
    argv = [sys.executable, "-c", CHILD, str(place), str(fd)]
    child = subprocess.Popen(argv, pass_fds=(fd,), stdout=subprocess.PIPE, start_new_session=True)
    os.close(fd)
    out, _ = child.communicate(timeout=60)
    assert out.decode().splitlines() == ["value of a", "0", "descriptor closed"]
    key = ring.key.reveal()
    assert not any(form in " ".join(argv).encode() for form in (key, key.hex().encode()))


def test_a_session_key_shows_itself_nowhere(ring):
    key = ring.key
    secret = key.reveal()
    assert str(key) == repr(key) == f"{key}" == "<secret>"
    with pytest.raises(SecretLeak):
        pickle.dumps(key)
    with pytest.raises(TypeError):
        json.dumps(key)
    with pytest.raises(TypeError):
        vars(key)
    key.wipe()
    with pytest.raises(KeyringLocked):
        key.reveal()
    assert any(secret)


def pipe_with(data: bytes) -> int:
    reading, writing = os.pipe()
    os.write(writing, data)
    os.close(writing)
    return reading


@pytest.mark.parametrize("data", [b"", b"quarterdeck-key-1\0short", b"x" * 200, b"quarterdeck-key-1\0" + b"k" * 49])
def test_what_is_no_key_is_refused(data):
    fd = pipe_with(data)
    with pytest.raises(KeyringLocked, match="not a session key"):
        read_key_fd(fd)
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(fd)


def test_a_descriptor_that_is_closed_or_silent_is_named():
    with pytest.raises(KeyringLocked, match="cannot be read"):
        read_key_fd(987)
    reading, writing = os.pipe()
    begun = time.monotonic()
    with pytest.raises(KeyringLocked, match="did not finish"):
        read_key_fd(reading, deadline_s=0.1)
    assert time.monotonic() - begun < 5
    os.close(writing)


def test_a_passphrase_by_descriptor_for_unattended_use():
    assert read_passphrase_fd(pipe_with("corréct\n".encode())) == Secret("corréct")
    assert read_passphrase_fd(pipe_with(b" spaces stay \r\n")) == Secret(" spaces stay ")
    for bad in (b"", b"\n", b"\xff\n", b"x" * 5000):
        with pytest.raises(KeyringLocked, match="No passphrase"):
            read_passphrase_fd(pipe_with(bad))


class Scripted:
    """Answers as a person would, in order."""

    def __init__(self, *answers: str | None) -> None:
        self.answers = list(answers)
        self.asked: list[Asked] = []

    def passphrase(self, asked: Asked) -> Secret | None:
        self.asked.append(asked)
        answer = self.answers.pop(0)
        return None if answer is None else Secret(answer)


def test_asked_again_until_right_and_told_why(ring, place):
    locked = SealedFileKeyring(place)
    person = Scripted("wrong", PASSPHRASE.reveal())
    locked.unlock_by(person)
    assert locked.unlocked
    assert [bool(a.problem) for a in person.asked] == [False, True]
    assert "2 more tries" in person.asked[1].problem
    locked.unlock_by(Scripted())  # unlocked: nobody is asked
    with pytest.raises(WrongPassphrase):
        SealedFileKeyring(place).unlock_by(Scripted("a", "b", "c"))
    with pytest.raises(KeyringLocked, match="no passphrase was given"):
        SealedFileKeyring(place).unlock_by(Scripted(None))


def test_a_new_file_asks_for_a_new_passphrase(place):
    fresh = SealedFileKeyring(place)
    person = Scripted("brand new")
    fresh.unlock_by(person)
    assert person.asked[0].new
    fresh.set_password("s", "a", "x")
    SealedFileKeyring(place).unlock(Secret("brand new"))
    with pytest.raises(KeyringLocked):
        SealedFileKeyring(place.with_name("other")).unlock_by(Scripted(None))


def at_terminal(typed: list[str], asked: Asked) -> tuple[Secret | None, str]:
    """What TerminalUnlocker answers when a person types `typed`, and all that stood on that terminal."""
    outer, inner = pty.openpty()
    shown = bytearray()
    answer: list[Secret | KeyringLocked | None] = []

    def ask() -> None:
        try:
            answer.append(TerminalUnlocker(os.ttyname(inner)).passphrase(asked))
        except KeyringLocked as problem:
            answer.append(problem)

    os.set_blocking(outer, False)
    thread = threading.Thread(target=ask)
    thread.start()
    end = time.monotonic() + 20
    prompts = 0
    while thread.is_alive() and time.monotonic() < end:
        try:
            shown += os.read(outer, 4096)
        except BlockingIOError:
            time.sleep(0.002)
        if shown.count(b": ") > prompts and prompts < len(typed):
            os.write(outer, typed[prompts].encode())
            prompts += 1
    thread.join(5)
    with contextlib.suppress(BlockingIOError):
        shown += os.read(outer, 4096)
    os.close(inner)
    os.close(outer)
    if isinstance(answer[0], KeyringLocked):
        raise answer[0]
    return answer[0], shown.decode()


def test_the_terminal_asks_without_echo():
    answer, shown = at_terminal(["hunter2 ä\n"], Asked("the keyring"))
    assert answer == Secret("hunter2 ä")
    assert "hunter2" not in shown
    assert "Passphrase of the keyring: " in shown  # control: this is what stood there
    answer, shown = at_terminal(["\n"], Asked("x", problem="That was \x1b[31mwrong."))
    assert answer is None
    assert "That was wrong." in shown
    answer, shown = at_terminal(["new one\n", "new one\n"], Asked("x", new=True))
    assert answer == Secret("new one")
    with pytest.raises(KeyringLocked, match="differ"):
        at_terminal(["new one\n", "new two\n"], Asked("x", new=True))


def test_without_a_terminal_it_says_what_to_do():
    script = (
        "from console.credentials.unlock import TerminalUnlocker, Asked\n"
        "from console.credentials.errors import KeyringLocked\n"
        "try: TerminalUnlocker().passphrase(Asked('x'))\n"
        "except KeyringLocked as problem: print(problem)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        start_new_session=True,
        timeout=60,
        check=True,
    )
    assert "--passphrase-fd" in done.stdout


def test_a_key_has_its_size():
    with pytest.raises(ValueError, match="32 bytes"):
        SessionKey(b"short", "00" * 16)

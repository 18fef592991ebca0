"""The session's keyring: asked for once, never made by looking, every value known to the redactor."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from console.cli.opening import Handed
from console.credentials.errors import CredentialMissing, KeyringLocked
from console.credentials.unlock import Asked
from console.live.keys import Keys
from console.text.redact import Redactor
from console.text.secret import Secret
from profiles.models import Profile

ROOT = Path(__file__).parents[3]
PASSPHRASE = "a long enough passphrase of this test"


class Person:
    """Answers with what was laid out; counts how often it was asked."""

    def __init__(self, *answers: str | None) -> None:
        self.answers = list(answers)
        self.asked: list[Asked] = []

    def passphrase(self, asked: Asked) -> Secret | None:
        self.asked.append(asked)
        answer = self.answers.pop(0)
        return None if answer is None else Secret(answer)


def keys(path: Path, redactor: Redactor | None = None) -> Keys:
    profile = Profile.model_validate(
        {
            "system": "x",
            "keyring": "sealed",
            "credentials": {"api": {"kind": "http"}},
            "hosts": {"here": {"local": True}},
            "environments": {
                "only": {
                    "hosts": ["here"],
                    "directory": "/srv/x",
                    "stack": {
                        "kind": "compose",
                        "project": "x",
                        "files": ["compose.yml"],
                        "services": {"web": {"health": "none"}},
                        "images": {"web": "x.example/y:{release}"},
                    },
                }
            },
        }
    )
    return Keys(profile, path / "keyring" / "sealed.json", redactor or Redactor())


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """A sealed file that holds one value."""
    made = keys(tmp_path)
    made.ask_by(Person(PASSPHRASE))
    made.open_now(make=True)
    made.credentials().set("api", Secret("a-value-that-nobody-may-see"))
    return tmp_path


def test_a_passphrase_that_was_handed_over_opens_it_beside_other_work(stored: Path) -> None:
    opened, person = keys(stored), Person(PASSPHRASE)
    opened.ask_by(person)
    opened.open_beside().join(30)
    assert opened.shown().state == "unlocked"
    assert opened.get("api") == "a-value-that-nobody-may-see"
    assert len(person.asked) == 1


def test_what_was_wrong_with_it_is_said_to_whoever_wants_a_value(stored: Path) -> None:
    opened = keys(stored)
    opened.ask_by(Handed(-1))
    opened.open_beside().join(30)
    for _ in range(2):
        with pytest.raises(KeyringLocked, match="Descriptor -1 cannot be read"):
            opened.get("api")


def test_nothing_is_made_by_opening_it_beside_other_work(tmp_path: Path) -> None:
    opened, person = keys(tmp_path), Person(PASSPHRASE)
    opened.ask_by(person)
    opened.open_beside().join(30)
    assert not opened.made and not person.asked


def test_a_locked_keyring_asks_once_and_the_redactor_learns(stored: Path) -> None:
    redactor, person = Redactor(), Person("wrong", PASSPHRASE)
    opened = keys(stored, redactor)
    with pytest.raises(KeyringLocked):
        opened.get("api")
    opened.ask_by(person)
    assert opened.get("api") == opened.get("api") == "a-value-that-nobody-may-see"
    assert len(person.asked) == 2 and person.asked[1].problem
    assert "nobody-may-see" not in redactor.text("it is a-value-that-nobody-may-see, really")
    assert opened.session_key() is not None and opened.shown().state == "unlocked"


def test_who_would_not_say_is_not_asked_again(stored: Path) -> None:
    opened, person = keys(stored), Person(None)
    opened.ask_by(person)
    for _ in range(2):
        with pytest.raises(KeyringLocked):
            opened.get("api")
    assert len(person.asked) == 1 and opened.session_key() is None


def test_looking_for_a_value_makes_no_keyring(tmp_path: Path) -> None:
    opened, person = keys(tmp_path), Person(PASSPHRASE)
    opened.ask_by(person)
    with pytest.raises(CredentialMissing, match="no keyring yet"):
        opened.get("api")
    opened.open_now()
    assert person.asked == [] and not opened.made
    opened.open_now(make=True)
    assert person.asked[0].new and opened.made


def test_the_consoles_field_opens_or_makes_it(stored: Path, tmp_path: Path) -> None:
    opened = keys(stored)
    with pytest.raises(KeyringLocked):
        opened.unlock("wrong")
    opened.unlock(PASSPHRASE)
    assert opened.get("api").startswith("a-value")


def test_an_open_keyring_masks_every_value_before_its_first_use(stored: Path) -> None:
    redactor = Redactor()
    opened = keys(stored, redactor)
    opened.learn()
    assert redactor.text("a-value-that-nobody-may-see") == "a-value-that-nobody-may-see", "locked: nothing is known"
    opened.unlock(PASSPHRASE)
    assert redactor.text("a-value-that-nobody-may-see") == "<redacted:api>"


def test_how_it_stands_is_shown_while_somebody_opens_it_and_waits(
    stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The top line asks on the console's own loop: a D-Bus that does not answer must hold no key up."""
    from console.credentials import choose

    begun, let_go, opened = threading.Event(), threading.Event(), keys(stored)
    really = choose.open_backend

    def hanging(choice: str, path: Path) -> choose.Backend:
        begun.set()
        assert let_go.wait(30)
        return really(choice, path)

    monkeypatch.setattr(choose, "open_backend", hanging)
    thread = threading.Thread(target=opened.settle, daemon=True)
    thread.start()
    assert begun.wait(10)
    assert opened.shown().state == "unread"
    let_go.set()
    thread.join(10)
    assert opened.shown().state == "locked"


def test_one_that_is_not_made_yet_is_called_so(tmp_path: Path) -> None:
    opened = keys(tmp_path)
    opened.settle()
    assert opened.shown().state == "unmade"
    opened.unlock(PASSPHRASE)
    assert opened.shown().state == "unlocked"


def test_one_that_cannot_be_used_says_why(stored: Path) -> None:
    (stored / "keyring" / "sealed.json").chmod(0o644)
    opened = keys(stored)
    opened.settle()
    assert opened.shown().state == "unavailable" and opened.shown().problem


LEAVES = """
import ctypes, subprocess, sys
from contextlib import suppress
from pathlib import Path
from console.credentials.errors import KeyringLocked
from tests.console.live.test_keys import PASSPHRASE, keys

def told(when):
    limit = subprocess.run(["sh", "-c", "ulimit -c"], capture_output=True, text=True).stdout.strip()
    print(when, "leaves a core" if ctypes.CDLL(None).prctl(3) else "leaves none", limit)  # PR_GET_DUMPABLE

opened = keys(Path(sys.argv[1]))
opened.shown()
told("looked")
if sys.argv[2] == "opened":
    opened.unlock(PASSPHRASE)
else:
    with suppress(KeyringLocked):
        opened.get("api")
told(sys.argv[2])
"""


@pytest.mark.parametrize("how", ["opened", "asked"])
def test_a_process_that_has_used_the_keyring_leaves_no_core(stored: Path, how: str) -> None:
    argv = [sys.executable, "-P", "-c", LEAVES, str(stored), how]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    (before, after) = (line.rpartition(" ") for line in done.stdout.splitlines())
    assert (before[0], after[0]) == ("looked leaves a core", f"{how} leaves none")
    assert before[2] == after[2], "a shell that is opened keeps the limit of the login"

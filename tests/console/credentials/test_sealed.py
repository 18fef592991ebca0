"""The sealed file loses nothing, gives nothing away, and says what is wrong with it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from console.credentials import files
from console.credentials.errors import (
    CredentialError,
    KeyringBusy,
    KeyringDamaged,
    KeyringLocked,
    KeyringRefused,
    WrongPassphrase,
)
from console.credentials.sealed import SealedFileKeyring
from console.credentials.sealed_file import Kdf, SealedFile
from console.text.secret import Secret

from .conftest import PASSPHRASE, QUICK

CANARY = "canary-7Hq9zP-value"


def reopened(place: Path, passphrase: Secret = PASSPHRASE) -> SealedFileKeyring:
    ring = SealedFileKeyring(place)
    ring.unlock(passphrase)
    return ring


def test_what_is_stored_is_there_after_opening_again(ring, place):
    ring.set_password("s", "a", CANARY)
    ring.set_password("s", "b", "ä\n" * 1000)
    ring.set_password("t", "a", "other")
    ring.set_password("s", "a", CANARY + "2")
    again = reopened(place)
    assert again.get_password("s", "a") == CANARY + "2"
    assert again.get_password("s", "b") == "ä\n" * 1000
    assert again.get_password("t", "a") == "other"
    assert again.get_password("s", "none") is None
    assert again.file.names("s") == ["b", "a"]


def test_the_file_holds_no_value_and_is_closed_to_others(ring, place):
    ring.set_password("s", "a", CANARY)
    for path in place.parent.iterdir():
        assert CANARY.encode() not in path.read_bytes()
        assert path.stat().st_mode & 0o777 == 0o600, path
    assert b'"name": "a"' in place.read_bytes()  # control: this is the file that was written


def test_header_says_how_the_key_was_derived(place):
    SealedFile(place).create(PASSPHRASE, Kdf(passes=1, memory_kib=128, lanes=2))
    kdf = json.loads(place.read_text())["kdf"]
    assert (kdf["name"], kdf["passes"], kdf["memory_kib"], kdf["lanes"]) == ("argon2id", 1, 128, 2)
    assert Kdf() == Kdf(passes=3, memory_kib=65536, lanes=4)


def test_a_wrong_passphrase_is_refused_and_not_repeated(ring, place):
    with pytest.raises(WrongPassphrase) as caught:
        reopened(place, Secret(CANARY))
    assert str(place) in str(caught.value)
    assert CANARY not in str(caught.value)


def test_locked_means_locked(ring, place):
    ring.set_password("s", "a", CANARY)
    ring.lock()
    for use in (
        lambda: ring.get_password("s", "a"),
        lambda: ring.set_password("s", "a", "x"),
        lambda: ring.delete_password("s", "a"),
    ):
        with pytest.raises(KeyringLocked):
            use()
    assert reopened(place).get_password("s", "a") == CANARY
    with pytest.raises(KeyringLocked, match="credentials set"):
        SealedFileKeyring(place.with_name("none")).unlock(PASSPHRASE)


def test_a_new_passphrase_touches_no_entry_and_no_session(ring, place):
    ring.set_password("s", "a", CANARY)
    before = json.loads(place.read_text())
    ring.file.change_passphrase(PASSPHRASE, Secret("another one"), QUICK)
    after = json.loads(place.read_text())
    assert before["entries"] == after["entries"]
    assert before["key"] != after["key"]
    assert ring.get_password("s", "a") == CANARY
    ring.set_password("s", "b", "from the old session")
    assert reopened(place, Secret("another one")).get_password("s", "b") == "from the old session"
    with pytest.raises(WrongPassphrase):
        reopened(place)
    with pytest.raises(WrongPassphrase):
        ring.file.change_passphrase(PASSPHRASE, Secret("x"), QUICK)


def test_removing_leaves_no_copy_behind(ring, place):
    from keyring.errors import PasswordDeleteError

    ring.set_password("s", "a", CANARY)
    ring.set_password("s", "b", "x")
    box = next(e["box"] for e in json.loads(place.read_text())["entries"] if e["name"] == "a")
    assert box in ring.file.previous.read_text()  # control: the generation before still had it
    ring.delete_password("s", "a")
    assert not any(box.encode() in path.read_bytes() for path in place.parent.iterdir())
    with pytest.raises(PasswordDeleteError):
        ring.delete_password("s", "a")


def _swap_boxes(content):
    one, two = content["entries"]
    one["nonce"], two["nonce"], one["box"], two["box"] = two["nonce"], one["nonce"], two["box"], one["box"]


def _rename(content):
    content["entries"][0]["name"] = "c"


def _drop(content):
    del content["entries"][0]


def _bump(content):
    content["generation"] += 1


def _flip(content):
    box = content["entries"][0]["box"]
    content["entries"][0]["box"] = ("A" if box[0] != "A" else "B") + box[1:]


def _cheaper(content):
    content["kdf"]["passes"] = 2


def _impossible(content):
    content["kdf"]["memory_kib"] = 2**40


def _canary(content):
    content["canary"]["box"] = content["entries"][0]["box"]


@pytest.mark.parametrize("harm", [_swap_boxes, _rename, _drop, _bump, _flip, _cheaper, _impossible, _canary])
def test_whoever_changes_the_file_is_seen(ring, place, harm):
    ring.set_password("s", "a", "one")
    ring.set_password("s", "b", "two")
    sound = place.read_text()
    content = json.loads(sound)
    harm(content)
    place.write_text(json.dumps(content))
    with pytest.raises(CredentialError) as caught:
        reopened(place).get_password("s", "a")
    assert isinstance(caught.value, KeyringDamaged | WrongPassphrase)
    if harm is not _impossible and harm is not _cheaper:  # those two are seen when unlocking
        with pytest.raises(KeyringDamaged):
            SealedFileKeyring(place, ring.key).set_password("s", "d", "would bury the evidence")
    place.write_text(sound)  # control
    assert reopened(place).get_password("s", "a") == "one"


def test_a_torn_file_is_named_and_the_generation_before_is_whole(ring, place):
    ring.set_password("s", "a", "one")
    ring.set_password("s", "a", "two")
    whole = place.read_bytes()
    for size in (0, 1, len(whole) // 2, len(whole) - 1):
        place.write_bytes(whole[:size])
        with pytest.raises(KeyringDamaged, match=r"\.previous"):
            reopened(place)
    place.write_bytes(ring.file.previous.read_bytes())
    assert reopened(place).get_password("s", "a") == "one"


def test_another_files_key_is_told_from_damage(ring, place):
    other = SealedFileKeyring(place.with_name("other"))
    other.create(PASSPHRASE, QUICK)
    with pytest.raises(WrongPassphrase, match="belongs to another"):
        SealedFileKeyring(place, other.key).get_password("s", "a")


@pytest.mark.parametrize(
    ("what", "mode"), [("file", 0o640), ("file", 0o604), ("directory", 0o750), ("directory", 0o701)]
)
def test_looser_modes_are_refused_with_what_to_do(ring, place, what, mode):
    path = place if what == "file" else place.parent
    path.chmod(mode)
    with pytest.raises(KeyringRefused, match=r"chmod 0[67]00"):
        reopened(place)
    path.chmod(0o600 if what == "file" else 0o700)
    reopened(place)


def test_a_link_in_the_place_of_the_file_is_refused(ring, place):
    place.rename(place.with_name("elsewhere"))
    place.symlink_to(place.with_name("elsewhere"))
    with pytest.raises(KeyringRefused, match="not a plain file"):
        reopened(place)


def test_a_file_is_not_made_twice(ring, place):
    with pytest.raises(KeyringRefused, match="already"):
        SealedFile(place).create(PASSPHRASE, QUICK)
    with pytest.raises(KeyringRefused, match="empty passphrase"):
        SealedFile(place.with_name("new")).create(Secret(""), QUICK)


def test_who_waits_for_the_lock_gives_up_and_says_so(ring, place):
    impatient = SealedFile(place, lock_deadline_s=0.05)
    with files.locked(place.with_name("keyring.lock")):
        with pytest.raises(KeyringBusy, match="fuser"):
            impatient.set(ring.key, "s", "a", "x")
        assert impatient.get(ring.key, "s", "a") is None  # readers do not wait
    impatient.set(ring.key, "s", "a", "x")


def test_a_full_disk_leaves_the_old_content(ring, place, monkeypatch):
    ring.set_password("s", "a", "one")

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(KeyringRefused, match="No space left"):
        ring.set_password("s", "a", "two")
    monkeypatch.undo()
    assert reopened(place).get_password("s", "a") == "one"
    assert sorted(p.name for p in place.parent.iterdir()) == ["keyring", "keyring.lock", "keyring.previous"]


WRITER = """
import sys
import tempfile
from pathlib import Path
from console.credentials.sealed import SealedFileKeyring
from console.text.secret import Secret
place, who, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
ring = SealedFileKeyring(place)
ring.unlock(Secret(sys.stdin.read()))
for i in range(count):
    ring.set_password("s", f"{who}-{i}", f"value {who} {i}")
    assert ring.get_password("s", f"{who}-{i}") == f"value {who} {i}"
"""


def test_processes_that_write_at_once_lose_nothing(ring, place):
    count = 150
    started = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(place), who, str(count)], stdin=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for who in ("one", "two", "three")
    ]
    for process in started:
        assert process.stdin is not None
        process.stdin.write(PASSPHRASE.reveal().encode())
        process.stdin.close()
        process.stdin = None
    for process in started:
        _, problem = process.communicate(timeout=120)
        assert process.returncode == 0, problem
    again = reopened(place)
    expected = {f"{who}-{i}": f"value {who} {i}" for who in ("one", "two", "three") for i in range(count)}
    assert {name: again.get_password("s", name) for name in again.file.names("s")} == expected


def test_a_writer_killed_at_any_moment_leaves_a_whole_file(ring, place):
    for attempt in range(8):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(place), f"k{attempt}", "100000"], stdin=subprocess.PIPE
        )
        assert process.stdin is not None
        process.stdin.write(PASSPHRASE.reveal().encode())
        process.stdin.close()
        seen = len(ring.file.names("s"))
        while len(ring.file.names("s")) < seen + 2 + attempt and process.poll() is None:
            pass
        process.kill()
        process.wait(timeout=30)
        assert len(ring.file.names("s")) >= seen + 2
        again = reopened(place)
        assert all(again.get_password("s", name) for name in again.file.names("s"))


def test_keyring_never_chooses_it_by_itself():
    import keyring.backend

    assert not SealedFileKeyring.viable
    assert SealedFileKeyring not in list(keyring.backend.KeyringBackend.get_viable_backends())


def test_the_environment_sets_nothing_on_it(ring, place, monkeypatch):
    monkeypatch.setenv("KEYRING_PROPERTY_FILE", "elsewhere")
    assert SealedFileKeyring(place).file.path == place


def test_it_works_as_a_plain_user_and_root_keeps_off_what_is_not_its_own(ring):
    ring.set_password("s", "warm", "x")  # all that is imported late is imported now, while we may read it
    with tempfile.TemporaryDirectory() as made:
        directory = Path(made) / "theirs"
        directory.mkdir(mode=0o700)
        place = directory / "keyring"
        if os.geteuid() != 0:
            SealedFileKeyring(place).create(PASSPHRASE, QUICK)
            assert reopened(place).get_password("s", "a") is None
            return
        Path(made).chmod(0o711)
        os.chown(directory, 65534, 65534)
        os.setegid(65534)
        os.seteuid(65534)
        try:
            theirs = SealedFileKeyring(place)
            theirs.create(PASSPHRASE, QUICK)
            theirs.set_password("s", "a", CANARY)
            assert reopened(place).get_password("s", "a") == CANARY
        finally:
            os.seteuid(0)
            os.setegid(0)
        with pytest.raises(KeyringRefused, match="belongs to user 65534"):
            reopened(place)

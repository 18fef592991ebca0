"""Chains of records: what was acknowledged is there, what was tampered with is named, copies are laid together."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from console import __version__ as VERSION
from console.store.database import Database, StoreUnusable
from console.store.records import (
    ChainBroken,
    Forked,
    Record,
    Records,
    canonical_json,
    check_chain,
    digest_of,
    longest,
    made,
    parse_line,
    parse_lines,
)

ROOT = Path(__file__).parents[3]
HOSTILE = "line\u2028break\u0085next\x1b[31m\r\nend \udcff é"


@pytest.fixture
def records(tmp_path: Path) -> Records:
    return Records(Database(tmp_path / "store.sqlite3"))


def chain(records: Records, count: int, stream: str = "run") -> list[Record]:
    for number in range(count):
        records.append(stream, "step.done", {"number": number, "text": HOSTILE})
    return records.read(stream)


def test_what_is_appended_is_read_back_and_follows(records: Records) -> None:
    found = chain(records, 5)
    check_chain(found)
    assert [record.seq for record in found] == [1, 2, 3, 4, 5]
    assert found[2].body == {"number": 2, "text": HOSTILE}
    assert records.read("run", after=3) == found[3:]
    assert records.last("run") == found[-1] and records.last("none") is None


def test_streams_whose_newest_record_does_not_close_them(records: Records) -> None:
    of = {"a": "made parked", "b": "made closed", "c": "made closed reopened", "d": "parked made"}
    for stream, kinds in of.items():
        for kind in kinds.split():
            records.append(stream, kind, {})
    assert records.open_streams("made", "closed") == ["d", "c", "a"]
    assert records.open_streams("parked", "closed") == ["d", "a"]


def test_one_line_on_a_host_is_one_line_whatever_is_in_it(records: Records) -> None:
    found = chain(records, 3)
    lines = [record.line() for record in found]
    assert all(line.isascii() and len(line.splitlines()) == 1 for line in lines)
    assert parse_lines("\n".join(lines) + "\n") == found
    check_chain([parse_line(line) for line in lines])


def test_a_whole_number_for_a_time_does_not_break_the_chain(records: Records) -> None:
    records.append("run", "k", {}, at=1)
    check_chain(records.read("run"))


@pytest.mark.parametrize(
    ("column", "value"),
    [("body", '{"number":9}'), ("kind", "step.failed"), ("at", 1.0), ("hash", "0" * 64), ("prev_hash", "0" * 64)],
)
def test_the_first_record_that_was_changed_is_named(records: Records, column: str, value: object) -> None:
    chain(records, 5)
    with records.database.writing() as connection:
        connection.execute(f"UPDATE record SET {column} = ? WHERE seq = 3", (value,))
    with pytest.raises(ChainBroken, match="record 3 of run"):
        check_chain(records.read("run"))


def test_a_removed_and_a_moved_record_are_named(records: Records) -> None:
    found = chain(records, 5)
    with pytest.raises(ChainBroken, match="record 3 is missing"):
        check_chain(found[:2] + found[3:])
    with pytest.raises(ChainBroken, match="record 4 of run"):
        check_chain([*found[:2], found[3], found[2], found[4]])


def test_what_a_chain_cannot_show(records: Records) -> None:
    """A cut end, and everything written anew, pass: said in the documentation, and held here so that it stays true."""
    found = chain(records, 5)
    check_chain(found[:3])
    anew: list[Record] = []
    for number in range(5):
        anew.append(made("run", number + 1, 1.0, "k", {"forged": number}, anew[-1].hash if anew else "0" * 64))
    check_chain(anew)


def test_a_body_that_was_pruned_leaves_a_chain(records: Records) -> None:
    chain(records, 3)
    with records.database.writing() as connection:
        connection.execute("UPDATE record SET body = NULL WHERE seq = 2")
    found = records.read("run")
    assert found[1].body is None
    check_chain(found)


def test_a_longer_copy_is_taken_over_and_a_fork_is_not(records: Records, tmp_path: Path) -> None:
    other = Records(Database(tmp_path / "other.sqlite3"))
    found = chain(records, 5)
    assert other.take_over(found[:3]) == 3
    assert other.take_over(found) == 2
    assert other.take_over(found[:4]) == 0
    other.append("run", "mine", {})
    records.append("run", "theirs", {})
    with pytest.raises(Forked, match="record 6 of run"):
        other.take_over(records.read("run"))
    assert len(other.read("run")) == 6
    with pytest.raises(ChainBroken):
        Records(Database(tmp_path / "third.sqlite3")).take_over(found[1:])


def test_what_one_store_alone_has_gives_way_to_a_longer_copy_and_is_kept(records: Records, tmp_path: Path) -> None:
    other = Records(Database(tmp_path / "other.sqlite3"))
    found = chain(records, 5)
    other.take_over(found)
    records.append("run", "mine", {"n": 6})
    other.append("run", "theirs", {})
    with pytest.raises(Forked, match="record 6 of run"):  # no longer than ours: a person decides
        records.supersede(other.read("run"), "audit")
    assert [record.kind for record in records.read("run")][5:] == ["mine"] and records.read("audit") == []
    other.append("run", "theirs", {})
    assert records.supersede(other.read("run"), "audit") == 2
    assert records.read("run") == other.read("run")
    (noted,) = records.read("audit")
    assert noted.kind == "run.superseded" and noted.body is not None
    assert [parse_line(line).body for line in noted.body["records"]] == [{"n": 6}]
    stranger = Records(Database(tmp_path / "stranger.sqlite3"))
    for _ in range(9):
        stranger.append("run", "another", {})
    with pytest.raises(Forked, match="record 1 of run"):
        records.supersede(stranger.read("run"), "audit")


def test_copies_with_holes_give_the_whole_chain_together(records: Records) -> None:
    found = chain(records, 6)
    assert longest([found[:3] + found[4:], [*found[:2], found[3]]]) == found
    assert longest([found[:2] + found[4:]]) == found[:2]
    assert longest([]) == []
    fork = made("run", 3, 1.0, "k", {}, found[1].hash)
    with pytest.raises(Forked, match="record 3 of run"):
        longest([found, [*found[:2], fork]])


def test_lines_torn_or_doubled_by_a_crash(records: Records) -> None:
    found = chain(records, 3)
    lines = [record.line() for record in found]
    text = "\n".join([lines[0], lines[1][:20], lines[1], lines[1], lines[2], lines[2][:-5]])
    assert parse_lines(text) == found
    for bad in ("", "[]", "{}", "null", json.dumps({"seq": 1})):
        with pytest.raises(ValueError):
            parse_line(bad)


def test_digests_are_of_the_value_not_of_how_it_was_written() -> None:
    assert digest_of({"a": 1, "b": [True, None]}) == digest_of({"b": [True, None], "a": 1})
    assert digest_of({"a": 1}) != digest_of({"a": "1"})
    with pytest.raises(ValueError):
        canonical_json(float("nan"))


WRITER = """
import sys
from pathlib import Path
from console.store.database import Database
from console.store.records import Records
records = Records(Database(Path(sys.argv[1])))
for number in range(10_000):
    record = records.append("run", "k", {"writer": sys.argv[2], "number": number})
    sys.stdout.write(f"{record.seq} {record.hash}\\n")
    sys.stdout.flush()
"""


def test_two_writers_killed_in_the_middle_lose_nothing_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    Records(Database(path)).append("run", "k", {})
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    acknowledged: dict[int, str] = {}
    for _ in range(3):
        writers = [
            subprocess.Popen(
                [sys.executable, "-P", "-c", WRITER, str(path), name], stdout=subprocess.PIPE, text=True, env=env
            )
            for name in "ab"
        ]
        for writer in writers:
            assert writer.stdout is not None
            for _ in range(15):
                seq, _, hash_ = writer.stdout.readline().strip().partition(" ")
                acknowledged[int(seq)] = hash_
        for writer in writers:
            os.kill(writer.pid, signal.SIGKILL)
            assert writer.stdout is not None
            for line in writer.stdout.read().splitlines():
                seq, _, hash_ = line.partition(" ")
                if len(hash_) == 64:
                    acknowledged[int(seq)] = hash_
            writer.wait()
            writer.stdout.close()
    found = Records(Database(path)).read("run")
    check_chain(found)
    there = {record.seq: record.hash for record in found}
    assert len(acknowledged) >= 90
    assert {seq: there.get(seq) for seq in acknowledged} == acknowledged


def test_what_may_be_lost_is_remembered_and_forgiven(records: Records) -> None:
    assert records.remembered("key") is None
    records.remember("key", {"a": [1]})
    records.remember("key", {"a": [2]})
    assert records.remembered("key") == {"a": [2]}
    with records.database.writing() as connection:
        connection.execute("UPDATE seen SET value = 'no json'")
    assert records.remembered("key") is None


def test_a_store_of_a_newer_version_is_refused_and_not_written_to(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    database = Database(path)
    database.connection().execute("PRAGMA user_version=99")
    database.connection().execute("UPDATE seen SET value = '\"7.1.0\"' WHERE key = 'written-by'")
    database.close()
    before = {one.name: one.read_bytes() for one in tmp_path.iterdir()}
    for use in (Records(Database(path)).streams, Records(Database(path)).read):
        with pytest.raises(
            StoreUnusable, match=rf"newer Quarterdeck, 7\.1\.0: its format is 99, and this one, {VERSION}"
        ):
            use("run")
    assert {one.name: one.read_bytes() for one in tmp_path.iterdir()} == before


def test_a_store_that_became_a_newer_versions_while_it_was_open_is_not_written_to(records: Records) -> None:
    chain(records, 2)
    other = Database(records.database.path)
    other.connection().execute("PRAGMA user_version=99")
    with pytest.raises(StoreUnusable, match="its format is 99"):
        records.append("run", "k", {})
    other.connection().execute("PRAGMA user_version=1")
    assert len(records.read("run")) == 2


def test_the_store_and_its_journal_are_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        records = Records(Database(tmp_path / "store.sqlite3"))
        records.append("run", "k", {})
    finally:
        os.umask(before)
    modes = {one.name: one.stat().st_mode & 0o777 for one in tmp_path.iterdir()}
    assert modes == {"store.sqlite3": 0o600, "store.sqlite3-journal": 0o600}


def test_a_damaged_store_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    path.write_bytes(b"this is no database at all" * 100)
    with pytest.raises(StoreUnusable, match="it is damaged"):
        Records(Database(path)).read("run")


def test_a_full_disk_is_a_sentence_and_what_was_there_stays(records: Records) -> None:
    found = chain(records, 3)
    pages = records.database.connection().execute("PRAGMA page_count").fetchone()[0]
    records.database.connection().execute(f"PRAGMA max_page_count={pages}")
    with pytest.raises(StoreUnusable, match="disk is full"):
        for _ in range(100):
            records.append("run", "k", {"text": "x" * 1000})
    records.database.connection().execute("PRAGMA max_page_count=100000")
    assert records.read("run")[:3] == found
    check_chain(records.read("run"))


def test_a_store_that_somebody_holds_is_a_sentence(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.store.database.BUSY_S", 0.1)
    chain(records, 1)
    other = Records(Database(records.database.path))
    other.database.connection()
    with records.database.writing(), pytest.raises(StoreUnusable, match="has held it"):
        other.append("run", "k", {})


def test_a_store_whose_writer_was_stopped_names_it(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.store.database.BUSY_S", 0.1)
    chain(records, 1)
    code = (
        "import os, signal, sqlite3, sys\n"
        "made = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "made.execute('BEGIN EXCLUSIVE')\n"
        "os.kill(os.getpid(), signal.SIGSTOP)\n"
    )
    child = subprocess.Popen([sys.executable, "-P", "-c", code, str(records.database.path)])
    try:
        os.waitid(os.P_PID, child.pid, os.WSTOPPED)
        other = Records(Database(records.database.path))
        with pytest.raises(StoreUnusable, match=f"process {child.pid}, which was stopped .*kill -CONT {child.pid}"):
            other.append("run", "k", {})
    finally:
        child.kill()
        child.wait()
    assert Records(Database(records.database.path)).append("run", "k", {}).seq == 2


def test_importing_the_store_is_cheap() -> None:
    code = "import sys, console.store.places, console.store.records, console.runs.client; print(*sys.modules)"
    run = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": str(ROOT)}
    )
    loaded = set(run.stdout.split())
    assert "console.runs.client" in loaded
    heavy = {"pydantic", "paramiko", "docker", "requests", "httpx", "textual", "cryptography", "keyring", "yaml"}
    assert loaded & heavy == set()

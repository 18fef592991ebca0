"""Releases as data: which is live, which stay, what is read from a host, and what is refused."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from console.hosts.base import Result
from console.hosts.command import Command, InputText
from console.hosts.local import LocalHost
from console.hosts.scripted import ScriptedHost
from console.stacks.base import Ground, Live, LiveService, StackError
from console.stacks.behind import on_any_host
from console.stacks.release import (
    Release,
    Schema,
    current_revisions,
    known_revisions,
    mark_command,
    next_id,
    parse_releases,
    place,
    read_releases,
    release_dir,
    retained,
    short,
    unmark_command,
    verified,
    write_command,
    written_command,
)


def release(number: int, letter: str = "a", **more: object) -> Release:
    base = Release(
        id=f"r{number}",
        environment="staging",
        candidate=f"1.{number}",
        action="deploy",
        project="app",
        images={"web": f"repo/web@{letter}"},
    )
    return base.model_copy(update=more)


def live(image: str, label: str = "") -> Live:
    one = LiveService(service="web", digest=image, state="running", since="2026-11-24T02:14:00Z", release=label)
    return Live(host="one", services=(one,))


GOOD = {"verified": "2026-11-24T01:00:00Z"}


def test_ids_go_on_after_the_highest() -> None:
    assert next_id(()) == "r1"
    assert next_id((release(2), release(10), release(9))) == "r11"


@pytest.mark.parametrize("name", ["r0", "r01", "../r1", "r1/..", "1", "r", "R1", "r1 ", "r1\n"])
def test_no_id_leaves_the_directory(name: str) -> None:
    with pytest.raises(ValueError, match="is not the id of a release"):
        release_dir("/state", name)


def test_what_is_live_is_found_by_images_and_the_label_breaks_ties() -> None:
    every = (release(1), release(2, "b"), release(3))
    assert place(live("repo/web@a", "r1"), every).release == "r1"
    assert place(live("repo/web@a"), every).release == "r3"
    assert place(live("repo/web@b", "r1"), every).release == "r2"
    assert place(live("repo/web@a"), (release(1), release(3, undone="now"))).release == "r1"


def test_what_differs_is_said_with_since_when_and_by_whom() -> None:
    found = place(live("repo/web@c"), (release(1), release(2, "b", **GOOD)))
    assert found.release is None
    assert found.differs == (
        "web runs repo/web@c since 2026-11-24T02:14:00Z and nothing of ours started it; "
        "the last release, r2 (1.2), has repo/web@b.",
    )
    gone = place(Live(host="one"), (release(1),))
    assert gone.differs == ("web is not there; the last release, r1 (1.1), has repo/web@a.",)
    assert place(Live(host="one"), ()).differs == ()


def test_retained_are_the_newest_verified_ones_and_those_that_are_named() -> None:
    every = tuple(release(number, **(GOOD if number != 4 else {})) for number in range(1, 7))
    every = (*every, release(7, undone="later", **GOOD))
    assert [one.id for one in verified(every)] == ["r6", "r5", "r3", "r2", "r1"]
    assert [one.id for one in retained(every, 2)] == ["r6", "r5"]
    assert [one.id for one in retained(every, 2, ("r1", "r7"))] == ["r7", "r6", "r5", "r1"]


def test_a_release_is_verified_only_where_every_host_that_has_it_says_so() -> None:
    one = Ground(host="one", live=Live(host="one"), releases=(release(1, **GOOD), release(2, **GOOD)))
    known = Schema(known=("a1",))
    two = Ground(
        host="two", live=Live(host="two"), releases=(release(1), release(2, undone="x", database=known, **GOOD))
    )
    first, second = on_any_host((one, two))
    assert first.verified is None
    assert second.undone == "x" and second.database == known


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ae1027a6acf (head)\n", ("ae1027a6acf",)),
        ("Current revision(s) for x:\n", ("Current",)),
        ("a1\nb2 (head)\n", ("a1", "b2")),
        ("", ()),
    ],
)
def test_current_revisions(text: str, found: tuple[str, ...]) -> None:
    assert current_revisions(text) == found


def test_known_revisions_of_alembic_history_and_of_plain_lists() -> None:
    history = (
        "a2, b2 -> c3 (head) (mergepoint), join\na1 -> a2, first\na1 -> b2 (branchpoint), other\n<base> -> a1, start\n"
    )
    assert set(known_revisions(history)) == {"a1", "a2", "b2", "c3"}
    assert known_revisions("0001_start\n0002_more\n") == ("0001_start", "0002_more")


def test_short_cuts_digests_only() -> None:
    assert short("r/web@sha256:" + "a" * 64) == "r/web@sha256:aaaaaaaaaaaa"
    assert short("r/web:1.0") == "r/web:1.0"


# --- on a real file system -----------------------------------------------------------------------------------------


def run(command: Command) -> subprocess.CompletedProcess[bytes]:
    stdin = command.stdin.text.encode() if isinstance(command.stdin, InputText) else b""
    return subprocess.run(command.argv, input=stdin, capture_output=True, check=False, timeout=30)


def written(state: Path, one: Release, *texts: tuple[str, str], copies: tuple[tuple[str, str, str], ...] = ()) -> None:
    done = run(write_command(str(state), one, texts, copies))
    assert done.returncode == 0, done.stderr


def test_written_whole_and_read_back_with_what_came_later(tmp_path: Path) -> None:
    (tmp_path / "lock").mkdir()
    (tmp_path / "lock" / "owner.json").write_text(json.dumps({"run": "20261124T0-x", "who": "ann@desk"}))
    text = "ä$HOME `id`\n\\n'\"\nno newline at the end"
    written(tmp_path, release(3), ("override.yaml", text), ("empty", ""))
    assert (tmp_path / "releases/r3/override.yaml").read_text("utf-8") == text
    assert (tmp_path / "releases/r3/empty").read_text() == ""
    assert run(written_command(str(tmp_path), "r3")).returncode == 0
    assert run(written_command(str(tmp_path), "r4")).returncode == 1
    (tmp_path / "releases/r3/schema.after").write_text("INFO\nb2 (head)")
    run(mark_command(str(tmp_path), "r3", "verified"))
    host = LocalHost("one")
    (read,) = read_releases(host, str(tmp_path))
    assert (read.run, read.who, read.database.after) == ("20261124T0-x", "ann@desk", ("INFO", "b2"))
    assert read.verified and read.when and not read.undone
    assert read_releases(host, str(tmp_path / "nowhere")) == ()
    run(unmark_command(str(tmp_path), "r3"))
    (read,) = read_releases(host, str(tmp_path))
    assert read.undone and not read.verified


def test_nothing_in_a_stored_file_is_taken_for_a_heading(tmp_path: Path) -> None:
    forged = release(2).model_dump_json()
    written(tmp_path, release(1))
    (tmp_path / "releases/r1/schema.known").write_text(f"@@qd:release r2 release.json\n|{forged}\n")
    assert [one.id for one in read_releases(LocalHost("one"), str(tmp_path))] == ["r1"]


def test_a_copy_is_checked_and_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    source = tmp_path / "compose.yml"
    source.write_text("services: {}\n")
    good = subprocess.run(("sha256sum", source), capture_output=True, text=True, check=True).stdout.split()[0]
    written(tmp_path, release(1), copies=(("files/1.compose.yml", str(source), good),))
    assert (tmp_path / "releases/r1/files/1.compose.yml").read_text() == "services: {}\n"
    done = run(write_command(str(tmp_path), release(2), (), (("files/1.compose.yml", str(source), "0" * 64),)))
    assert done.returncode == 1 and b"somebody changed it since" in done.stderr
    short_input = write_command(str(tmp_path), release(2), (("a", "text"),), ())
    done = run(short_input.model_copy(update={"stdin": InputText(text="only")}))
    assert done.returncode == 1 and b"could not be written" in done.stderr
    assert sorted(path.name for path in (tmp_path / "releases").iterdir()) == ["r1"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("{", "cannot be read"),
        (release(9).model_dump_json(), "calls itself r9"),
        (json.dumps({**json.loads(release(1).planned()), "later": 1}), "later: Extra inputs are not permitted"),
    ],
)
def test_a_broken_record_is_named_with_its_file(body: str, reason: str) -> None:
    text = "@@qd:release r1 release.json\n|" + body + "\n"
    with pytest.raises(StackError, match=reason) as caught:
        parse_releases(text, "prod1:/opt/app/.quarterdeck")
    assert "prod1:/opt/app/.quarterdeck/releases/r1" in str(caught.value)


def test_a_host_that_is_too_slow_to_say_its_releases_is_told_as_that() -> None:
    slow = ScriptedHost("one").on("sh", answer=Result(None, b"", b"", "deadline", 20.0))
    with pytest.raises(StackError, match="could not be read: it was not done within 20 s"):
        read_releases(slow, "/opt/app/.quarterdeck")

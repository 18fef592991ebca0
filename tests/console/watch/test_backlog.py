"""The first lines of several logs come in order of time; a log that is read again gives only what is new."""

import threading
from pathlib import Path

import pytest

from console.feeds.lines import NOTICE, LogLine
from console.hosts.local import LocalHost
from console.timing import DEFAULT
from console.watch.backlog import Backlog, Remembered, by_time
from console.watch.logs import watch_logs
from tests.console.watch.places import environment, until


def line(at: float | None, source: str, text: str = "") -> LogLine:
    return LogLine(at, source, text or f"{source} {at}")


class Heard:
    """A sink; how often it was called, and what it got."""

    def __init__(self) -> None:
        self.calls: list[list[LogLine]] = []
        self.came = threading.Event()

    def __call__(self, lines: list[LogLine]) -> None:
        self.calls.append(lines)
        self.came.set()

    @property
    def texts(self) -> list[str]:
        return [one.text for call in self.calls for one in call]


def backlog(heard: Heard, *logs: str, remembered: Remembered | None = None, longest_s: float = 30.0) -> Backlog:
    names = [(log, 5) for log in logs]
    return Backlog(heard, names, remembered or Remembered(), longest_s=longest_s)


def test_tails_of_several_logs_are_given_as_one_by_time() -> None:
    heard = Heard()
    both = backlog(heard, "a", "b")
    both.of("a")([line(1, "a"), line(5, "a")])
    both.of("a")([line(7, "a")])
    assert not heard.calls
    both.of("b")([line(2, "b"), line(6, "b")])
    assert heard.came.wait(5)
    assert [one.at for one in heard.calls[0]] == [1, 2, 5, 6, 7]
    both.of("b")([line(3, "b")])
    assert heard.calls[1:] == [[line(3, "b")]], "after the first lines they pass as they come"


def test_a_log_that_says_nothing_holds_up_the_others_for_a_moment_only() -> None:
    heard = Heard()
    both = backlog(heard, "a", "silent", longest_s=0.05)
    both.of("a")([line(1, "a")])
    assert heard.came.wait(5)
    assert heard.texts == ["a 1"]


@pytest.mark.parametrize(
    ("logs", "wanted"),
    [
        ([[line(2, "a"), line(None, "a", "trace"), line(4, "a")], [line(3, "b")]], ["a 2", "trace", "b 3", "a 4"]),
        ([[line(5, "a"), line(2, "a")], [line(3, "b")]], ["b 3", "a 5", "a 2"]),
        ([[line(3, "a")], [line(None, "b", "no time")]], ["no time", "a 3"]),
        ([[line(None, "b", f"{NOTICE}no container of b")], [line(3, "a")]], ["a 3", f"{NOTICE}no container of b"]),
    ],
)
def test_lines_without_a_time_and_out_of_order_stay_with_their_own_log(
    logs: list[list[LogLine]], wanted: list[str]
) -> None:
    assert [one.text for one in by_time(logs)] == wanted


def again(heard: Heard, remembered: Remembered, *pieces: list[int]) -> list[str]:
    """What a log gives whose tail comes in these pieces."""
    log = backlog(heard, "a", remembered=remembered, longest_s=0.0).of("a")
    before = len(heard.texts)
    for piece in pieces:
        log([line(at, "a") for at in piece])
    until(lambda: len(heard.texts) > before)
    return heard.texts[before:]


def test_a_log_that_is_read_again_gives_no_line_twice() -> None:
    heard, remembered = Heard(), Remembered()
    assert again(heard, remembered, [1, 2, 3, 4]) == ["a 1", "a 2", "a 3", "a 4"]
    assert again(heard, remembered, [2, 3], [4, 5], [6]) == ["a 5", "a 6"]
    assert again(heard, remembered, [6, 7]) == ["a 7"]


def test_what_a_tail_does_not_reach_any_more_is_said_to_be_missing() -> None:
    heard, remembered = Heard(), Remembered()
    again(heard, remembered, [1, 2, 3])
    said = again(heard, remembered, [8, 9])
    assert "may be missing here" in said[0]
    assert said[1:] == ["a 8", "a 9"]


def test_looking_away_from_an_environment_and_back_shows_its_log_once(tmp_path: Path) -> None:
    for name, minutes in (("one", (1, 3, 5)), ("two", (2, 4, 6))):
        text = "".join(f"2026-11-24T02:0{minute}:00Z {name}\n" for minute in minutes)
        (tmp_path / f"{name}.log").write_text(text)
    files = ", ".join(f'{{path: "{tmp_path}/{name}.log"}}' for name in ("one", "two"))
    local = LocalHost("lab1", DEFAULT)
    place = environment(tmp_path, f"feeds: {{logs: {{kind: files, files: [{files}]}}}}", hosts={"lab1": local})
    remembered, got = Remembered(), list[LogLine]()
    for there in (6, 7):
        stop = threading.Event()
        threads = watch_logs(place, lambda text: text, got.extend, stop, remembered)
        until(lambda there=there: len(got) >= there)  # type: ignore[misc]
        stop.set()
        for thread in threads:
            thread.join(10)
        with (tmp_path / "two.log").open("a") as out:
            out.write("2026-11-24T02:07:00Z two\n")
    local.close()
    words = ["one", "two"] * 3 + ["two"]
    assert [one.text for one in got] == [f"2026-11-24T02:0{n + 1}:00Z {word}" for n, word in enumerate(words)]

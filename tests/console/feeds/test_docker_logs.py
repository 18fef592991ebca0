"""The Docker log stream taken apart, and resumed without loss or doubles, against a small engine on a socket pair.

The engine here is a stand-in that sends exactly what Docker 20.10 was measured to send; the lab reads from a real one.
"""

import random
import socket
import struct
import threading
import unicodedata
from collections.abc import Callable

import pytest

from console.feeds.docker_logs import Dechunk, Demux, LogsUnreadable, Position, Reader, aligned, stream
from console.feeds.lines import epoch_of, level_of, own_time_of, readable
from console.text.redact import Redactor


def frame(text: str, kind: int = 1) -> bytes:
    body = text.encode()
    return struct.pack(">BxxxL", kind, len(body)) + body


def chunked(*parts: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def stamp(n: int) -> str:
    return f"2026-11-24T02:14:{n:02d}.000000001Z"


def same(text: str) -> str:
    return text


def test_frames_cut_anywhere_give_the_same_lines() -> None:
    data = b"".join(frame(f"{stamp(n)} line {n}\n", 1 + n % 2) for n in range(20))
    whole = Demux(tty=False).feed(data)
    assert len(whole) == 20
    for cut in range(0, len(data), 7):
        demux = Demux(tty=False)
        assert demux.feed(data[:cut]) + demux.feed(data[cut:]) == whole


def test_a_long_line_in_several_frames_is_one_line_with_one_stamp() -> None:
    demux = Demux(tty=False)
    lines = demux.feed(frame(f"{stamp(1)} aaa") + frame(f"{stamp(1)} bbb") + frame(f"{stamp(1)} ccc\n"))
    assert lines == [f"{stamp(1)} aaabbbccc".encode()]


def test_frames_of_two_streams_do_not_mix() -> None:
    demux = Demux(tty=False)
    lines = demux.feed(frame(f"{stamp(1)} out…", 1) + frame(f"{stamp(2)} err\n", 2) + frame(f"{stamp(1)} end\n", 1))
    assert lines == [f"{stamp(2)} err".encode(), f"{stamp(1)} out…end".encode()]


def test_a_terminal_has_no_frames() -> None:
    assert Demux(tty=True).feed(b"2026 one\r\n2026 two\r\nthr") == [b"2026 one", b"2026 two"]


def test_chunks_cut_anywhere() -> None:
    body = [bytes([65 + n]) * (n * 37 % 300 + 1) for n in range(20)]
    data = chunked(*body)
    for cut in range(0, len(data), 11):
        dechunk = Dechunk()
        assert dechunk.feed(data[:cut]) + dechunk.feed(data[cut:]) == b"".join(body)
        assert dechunk.ended


def test_what_is_not_in_chunks_is_refused() -> None:
    with pytest.raises(OSError, match="not in chunks"):
        Dechunk().feed(b"this is not a chunk size\r\n")


def test_position_is_since_with_nanoseconds() -> None:
    assert Position("2026-11-24T02:14:55.123456789Z", 3).since() == "1795486495.123456789"
    assert Position("2026-11-24T02:14:55Z", 1).since() == "1795486495.000000000"
    assert Position().since() is None


def engine(answer: Callable[[str], bytes]) -> tuple[Callable[[], socket.socket], list[str]]:
    """A stand-in for the engine: answers each request line with `answer` and closes."""
    asked: list[str] = []

    def connect() -> socket.socket:
        here, there = socket.socketpair()

        def serve() -> None:
            with there:
                request = there.recv(65536).decode()
                asked.append(request.split(" ")[1])
                there.sendall(answer(request))

        threading.Thread(target=serve, daemon=True).start()
        return here

    return connect, asked


OK = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def read_all(connect: Callable[[], socket.socket], reader: Reader) -> list[str]:
    lines = []
    for raw in stream(connect, "abc", tty=False, position=reader.position, stop=threading.Event(), silence_s=5):
        lines += [line.text for line in reader.take(raw)]
    return lines


def test_a_broken_stream_is_resumed_without_loss_or_doubles() -> None:
    rng = random.Random(7)
    stamps = sorted(rng.choices([stamp(n) for n in range(12)], k=60))
    every = [(at, f"line {n}") for n, at in enumerate(stamps)]
    for cut in range(1, 60, 7):

        def answer(request: str, cut: int = cut) -> bytes:
            since = request.split("since=")[1].split("&")[0].split(" ")[0] if "since=" in request else None
            shown = [(at, text) for at, text in every if since is None or str(Position(at).since()) >= since]
            return OK + chunked(*(frame(f"{at} {text}\n") for at, text in (shown if since else shown[:cut])))

        connect, asked = engine(answer)
        first = Reader("s", same)
        got = read_all(connect, first)
        again = Reader("s", same, first.position)
        got += read_all(connect, again)
        assert got == [text for _, text in every]
        assert "tail=500" in asked[0]
        assert "since=" in asked[1]


def test_without_the_count_lines_would_be_doubled() -> None:
    """The control of the test above: a reader that remembers the time only sees the last line twice."""
    answers = OK + chunked(frame(f"{stamp(1)} a\n"))
    connect, _ = engine(lambda _: answers)
    first = Reader("s", same)
    read_all(connect, first)
    assert read_all(connect, Reader("s", same, Position(first.position.stamp, 0))) == ["a"]
    assert read_all(connect, Reader("s", same, first.position)) == []


def test_the_engines_own_reason_is_told() -> None:
    body = b'{"message":"configured logging driver does not support reading"}'
    connect, _ = engine(lambda _: b"HTTP/1.1 501 Not\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    with pytest.raises(LogsUnreadable, match="does not support reading"):
        read_all(connect, Reader("s", same))


def test_escapes_in_a_log_do_not_come_through_and_redaction_is_last() -> None:
    reader = Reader("s", lambda text: text.replace("hunter2", "<redacted>"))
    lines = reader.take([f"{stamp(1)} \x1b]0;title\x07pass\x1b[31mword=hunter2".encode()])
    assert "\x1b" not in lines[0].text
    assert "<redacted>" in lines[0].text


def test_a_sequence_left_open_in_one_line_does_not_swallow_the_next() -> None:
    texts = ["plain", "\x1b]0;open title", "second", "\x1b[31", "third", "grün", "a\r", "b\rc", "\xff\x1b", ""]
    reader = Reader("s", same)
    lines = reader.take([stamp(1).encode() + b" " + text.encode("latin-1") for text in texts])
    assert len(lines) == len(texts)
    assert [lines[n].text for n in (0, 2, 4, 6, 9)] == ["plain", "second", "third", "a", ""]


def test_every_raw_line_is_one_line_whatever_is_in_it() -> None:
    rng = random.Random(11)
    pieces = [b"\x1b]", b"\x1b[1", b"\x9b", b"\r", b"\xe2\x80", b"\xa8", b"abc", b" ", b"\x85", b"\t", b"\x00"]
    for _ in range(300):
        raw = [b"".join(rng.choices(pieces, k=rng.randrange(6))) for _ in range(rng.randrange(1, 9))]
        lines = Reader("s", same).take([stamp(1).encode() + b" " + one for one in raw])
        assert len(lines) == len(raw)
        assert {unicodedata.category(char) for line in lines for char in line.text}.isdisjoint({"Cc", "Cf", "Zl", "Zp"})


def test_a_line_beyond_the_cap_says_how_much_is_missing() -> None:
    line = Reader("s", same).take([f"{stamp(1)} {'x' * 20_000}".encode()])[0]
    assert len(line.text) < 17_000
    assert line.text.endswith("(+3616 characters)")


def test_a_key_over_several_lines_is_masked_and_the_lines_around_keep_their_times() -> None:
    key = ["-----BEGIN RSA PRIVATE KEY-----", *["MIIEowIBAAKCAQEAx" + "Ab3" * 15] * 3, "-----END RSA PRIVATE KEY-----"]
    texts = ["before", *key, "after"]
    lines = Reader("s", Redactor().text).take([f"{stamp(n)} {text}".encode() for n, text in enumerate(texts)])
    assert "MIIE" not in "".join(line.text for line in lines)
    times = {line.text: line.at for line in lines}
    assert times["before"] == epoch_of(stamp(0))
    assert times["after"] == epoch_of(stamp(6))


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("a b c", "a b c", "0a 1b 2c"),
        ("a b c", "a X c", "0a 1X 2c"),
        ("a b c d", "a X d", "0a 1X 3d"),
        ("a b c d", "X d", "0X 3d"),
        ("a b c d", "a X", "0a 1X"),
        ("a b", "X", "0X"),
        ("a a a", "a", "0a"),
        ("a b", "a X Y b", "0a 1X 1Y 1b"),
        ("a b c", "X Y c d", "0X 1Y 2c 2d"),
        ("a", "a b", "0a 0b"),
    ],
)
def test_lines_keep_their_place_when_some_became_one(before: str, after: str, expected: str) -> None:
    assert " ".join(f"{n}{text}" for n, text in aligned(before.split(), after.split())) == expected


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ('{"level": "error", "msg": "x"}', "error"),
        ('{"msg":"x","levelname":"WARNING"}', "warn"),
        ("2026-11-24 02:14:55,1 ERROR app: boom", "error"),
        ("[INFO] started", "info"),
        ("level=warn msg=x", "warn"),
        ("GET /errors 200", None),
        ("an error happened in prose", None),
        ("x" * 400 + " ERROR ", None),
    ],
)
def test_the_level_of_a_line(text: str, level: str | None) -> None:
    assert level_of(text) == level


def test_a_stamp_is_utc() -> None:
    assert epoch_of("2026-11-24T02:14:55.5Z") == pytest.approx(1795486495.5)
    assert epoch_of("2026-11-24T02:14:55Z") == 1795486495.0
    assert epoch_of("2026-11-24T02:14:55.123456789Z") == pytest.approx(1795486495.123456789, abs=1e-6)
    for wrong in ("not a time", "", "2026-11-24T02:14:55.x1Z", "2026-13-24T02:14:55Z", "2026-11-24T02:14:55.1e3Z"):
        assert epoch_of(wrong) is None


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('{"ts": "x", "level": "info", "msg": "started", "port": 8000, "why": "a b"}', 'started port=8000 why="a b"'),
        ('{"a": {"b": 1}}', 'a="{\\"b\\": 1}"'),
        ('{"level": "info"}', '{"level": "info"}'),
        ("{not json}", "{not json}"),
        ("[1]", "[1]"),
        ("plain", "plain"),
        ('{"msg": "\\u001b]52;c;aGk=\\u0007x"}', "x"),
    ],
)
def test_a_line_of_json_is_made_readable(text: str, shown: str) -> None:
    assert readable(text) == shown


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ('{"ts": "2026-11-24T02:14:55.500Z"}', 1795486495.5),
        ("2026-11-24 02:14:55,5+00:00 INFO x", 1795486495.5),
        ("2026-11-24 02:14:55 INFO x", None),
        ("x" * 400 + "2026-11-24T02:14:55Z", None),
    ],
)
def test_a_line_s_own_time_is_taken_only_with_its_zone(text: str, at: float | None) -> None:
    assert own_time_of(text) == at

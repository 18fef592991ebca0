"""Text made to do harm, from a seed: control sequences, bidi, markup, broken UTF-8, long lines.

Every sequence with parameters has 4711 among them, which nothing of ours ever writes: a sequence that comes through is
known for what it is, also where the console uses its kind itself.
"""

from __future__ import annotations

import random

MARK = "4711"
PIECES: tuple[bytes, ...] = (
    b"\x1b[4711m", b"\x1b[1;4711H", b"\x1b[4711J", b"\x1b[4711;", b"\x1b[?4711h", b"\x1b[>4711c", b"\x1b[4711n",
    b"\x1b[4711$p", b"\x1b[4711;1t", b"\x1b]0;title 4711\x07", b"\x1b]52;c;NDcxMQ==\x07", b"\x1b]8;;http://4711/\x1b\\",
    b"\x1b]0;open ", b"\x1bP4711q#0\x1b\\", b"\x1b_4711\x1b\\", b"\x1b^4711\x1b\\", b"\x1bX4711\x1b\\", b"\x1bc",
    b"\x1b(0", b"\x1b#8", b"\x1b7", b"\x1b8", b"\x1bM", b"\x1b=", b"\x1b", b"\x1b\\", b"\x9b4711m", b"\xc2\x9b4711m",
    b"\xc2\x9d0;4711\xc2\x9c", b"\xc2\x90q\xc2\x9c", b"\xc2\x85", b"\xc2\x84", b"\x07", b"\x08", b"\x0b", b"\x0c",
    b"\x0e", b"\x0f", b"\r", b"\x18", b"\x1a", b"\x7f", b"\x00", b"\x05", b"\xe2\x80\xae", b"\xe2\x81\xa6",
    b"\xd8\x9c", b"\xe2\x80\x8b", b"\xef\xbb\xbf", b"\xf3\xa0\x81\x81", b"\xe2\x80\xa8", b"\xe3\x85\xa4", b"\xff\xfe",
    b"\xed\xa0\x80", b"\xc3", b"\xf0\x9f", b"e" + b"\xcc\x81" * 40, b"[/x]", b"[@click=app.quit]q[/]", b"[bold",
    b"[/usr/bin/x]", b"\\[", b"\xe4\xb8\xad\xe6\x96\x87", b"\xf0\x9f\x98\x80", b"<U+202E>", b"\t", b"%s {0} $(id)",
    b'{"msg":"\\u001b]0;4711\\u0007","a":"\\u202e"}', b"password=", b"ERROR ", b"2026-11-24T02:14:55Z INFO ok ",
)  # fmt: skip


def line(rng: random.Random, pieces: int = 12) -> bytes:
    """One line without its end."""
    made = rng.choices(PIECES, k=rng.randint(1, pieces))
    if rng.random() < 0.3:
        made.append(bytes(rng.choices(range(0x20, 0x100), k=rng.randint(1, 30))))
    return b"".join(made).replace(b"\n", b" ")


def lines(rng: random.Random, size: int) -> bytes:
    """Lines of about `size` bytes together; one in five hundred is very long."""
    made, done = [], 0
    while done < size:
        one = line(rng)
        if rng.random() < 0.002:
            one *= rng.randint(100, 1000)
        made.append(one + b"\n")
        done += len(made[-1])
    return b"".join(made)


def text(rng: random.Random) -> str:
    """One line as text, as JSON or YAML hold it."""
    return line(rng, 6).decode("utf-8", "replace").replace("\x00", "")


def name(rng: random.Random) -> bytes:
    """A file name that Linux takes."""
    return line(rng, 4).replace(b"/", b"|").replace(b"\x00", b"0")[:120] or b"x"

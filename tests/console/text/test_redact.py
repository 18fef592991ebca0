"""No registered secret comes through, in any form, wherever the data is cut; and the tests would see one."""

from __future__ import annotations

import base64
import html
import json
import random
import shlex
import time
import urllib.parse

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.text.encodings import short_parts
from console.text.redact import LINE_LIMIT, RedactingStream, Redactor, mask
from console.text.sanitise import Sanitiser
from console.text.secret import Secret, SecretRef

# Values with everything that an encoder changes; the last two are multi-line and a JSON document.
CANARIES = {
    "plain": "hunter2-Zq8vR4xKd",
    "odd": "p@ss/w0rd+ä&<'\"`$x y%\\",
    "short": "Xy7!qk",
    "medium": "Tr0ub4dor&3",
    "key": "first line of it\nsecond-line-0f-it=\nthird/line/of/it+\n",
    "json": '{"user": "deployer-77", "phrase": "json-inner-v4lue"}',
}


def encodings(value: str) -> dict[str, bytes]:
    """The forms in which tools print a value, computed here and not by the code under test."""
    raw = value.encode()
    forms = {
        "raw": raw,
        "url": urllib.parse.quote(value, safe="").encode(),
        "url path": urllib.parse.quote(value).encode(),
        "url form": urllib.parse.urlencode({"x": value})[2:].encode(),
        "url lower": urllib.parse.quote(value, safe="").lower().encode() if value.islower() else b"",
        "json": json.dumps(value)[1:-1].encode(),
        "json utf-8": json.dumps(value, ensure_ascii=False)[1:-1].encode(),
        "json twice": json.dumps(json.dumps(value))[3:-3].encode(),
        "repr": repr(value)[1:-1].encode(),
        "shell": shlex.quote(value).strip("'").encode(),
        "html": html.escape(value).encode(),
        "hex": raw.hex().encode(),
        "HEX": raw.hex().upper().encode(),
    }
    for before in (b"", b"u", b"us", b"user:"):
        core = base64.b64encode(before + raw).rstrip(b"=")
        skip = -(-len(before) * 8 // 6)
        # The last character and the first may hold bits of the neighbours.
        forms[f"base64 after {len(before)}"] = core[skip + 1 : -1]
        forms[f"base64url after {len(before)}"] = base64.urlsafe_b64encode(before + raw).rstrip(b"=")[skip + 1 : -1]
    return {name: form for name, form in forms.items() if len(form) >= 6}


def printed(value: str) -> dict[str, bytes]:
    """The same as a tool would print them: base64 whole."""
    forms = encodings(value)
    for before in (b"", b"u", b"us", b"user:"):
        forms[f"base64 after {len(before)}"] = base64.b64encode(before + value.encode())
        forms[f"base64url after {len(before)}"] = base64.urlsafe_b64encode(before + value.encode())
    return forms


CASES = [(n, how, form) for n, v in CANARIES.items() for how, form in printed(v).items()]
FOUND_BY = {(n, how): form for n, v in CANARIES.items() for how, form in encodings(v).items()}
REDACTOR = Redactor({name: Secret(value) for name, value in CANARIES.items()})
OFF = Redactor()


def through(stream: RedactingStream, chunks: list[bytes], idle: bool = False) -> bytes:
    out = b""
    for chunk in chunks:
        out += stream.feed(chunk)
        if idle:
            out += stream.idle()
    return out + stream.flush()


def canaries_in(output: bytes) -> list[tuple[str, str]]:
    return [case for case, form in FOUND_BY.items() if form in output]


def test_control_with_the_redactor_off_every_canary_is_found():
    for name, how, form in CASES:
        if (name, how) in FOUND_BY:
            assert (name, how) in canaries_in(through(OFF.stream(), [b"see ", form, b" here\n"])), (name, how)
    assert len(FOUND_BY) > 80


@pytest.mark.parametrize("name", CANARIES)
def test_every_form_is_masked_at_every_split_point(name):
    for _, how, form in [case for case in CASES if case[0] == name]:
        line = b"see " + form + b" here\n"
        whole = REDACTOR.bytes(line)
        assert not canaries_in(whole), how
        assert b"<redacted:" in whole, how
        for cut in range(len(line) + 1):
            assert through(REDACTOR.stream(), [line[:cut], line[cut:]]) == whole, (how, cut)
        assert through(REDACTOR.stream(), [line[i : i + 1] for i in range(len(line))]) == whole, how


@pytest.mark.parametrize("name", ["plain", "short", "medium", "key"])
def test_idle_gives_out_nothing_that_a_secret_may_begin_with(name):
    form = CANARIES[name].encode()
    line = b"x " + form + b" y\n"
    for cut in range(len(line) + 1):
        assert not canaries_in(through(REDACTOR.stream(), [line[:cut], line[cut:]], idle=True)), cut
    out = through(REDACTOR.stream(), [line[i : i + 1] for i in range(len(line))], idle=True)
    assert form.splitlines()[0] not in out
    control = through(OFF.stream(), [line[i : i + 1] for i in range(len(line))], idle=True)
    assert form in control


def test_a_prompt_is_seen_when_idle():
    stream = REDACTOR.stream()
    assert stream.feed(b"Continue? [y/N] ") == b""
    assert stream.idle() == b"Continue? [y/N] "
    assert stream.feed(b"yes\n") == b"yes\n"
    stream.feed(b"pass")
    assert stream.idle() == b""
    assert b"tiger" not in stream.feed(b"word=tiger\n")


ESCAPES = [
    b"\x1b[31m",
    b"\x1b[0m",
    b"\x1b]0;t\x07",
    b"\x1b(B",
    b"\xc2\x9b1m",
    b"\xef\xb8\x8f",
    b"\x1bP1\x1b\\",
    b"\xc2\x9d0;\xc2\x9c",
]


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(sorted(CANARIES)),
    st.lists(st.tuples(st.integers(0, 60), st.sampled_from(ESCAPES)), min_size=1, max_size=6),
    st.integers(0, 80),
)
def test_a_secret_split_by_escape_sequences_is_masked(name, inserts, cut):
    letters = list(CANARIES[name].splitlines()[0])
    for at, escape in inserts:
        letters[at % len(letters)] += escape.decode()
    line = b"a " + "".join(letters).encode() + b" z\n"
    shown = "".join(Sanitiser().feed(through(REDACTOR.stream(), [line[:cut], line[cut:]]))).encode()
    assert not canaries_in(shown)
    control = "".join(Sanitiser().feed(line)).encode()
    assert CANARIES[name].splitlines()[0].encode() in control


def test_masks_name_the_secret_and_not_its_length():
    assert REDACTOR.text("a hunter2-Zq8vR4xKd b") == "a <redacted:plain> b"
    both = REDACTOR.text(CANARIES["plain"] + CANARIES["medium"])
    assert both == mask("plain") + mask("medium")
    text = "nothing here"
    assert REDACTOR.text(text) is text


def test_a_secret_within_a_longer_one_is_masked_once():
    redactor = Redactor({"a": Secret("abcdefgh12"), "b": Secret("xxabcdefgh12yy")})
    assert redactor.text("-xxabcdefgh12yy-abcdefgh12-") == "-<redacted:b>-<redacted:a>-"


def test_secrets_of_any_length_are_found_at_every_alignment():
    rng = random.Random(7)
    alphabet = "abcdefghijklmnopqrstuvwxyz0123456789"
    secrets = {
        f"s{n}-{i}": "".join(rng.choices(alphabet, k=n)) for n in (4, 5, 6, 7, 8, 14, 15, 16, 40) for i in range(12)
    }
    redactor = Redactor({name: Secret(value) for name, value in secrets.items()})
    for name, value in secrets.items():
        for offset in range(17):
            line = "." * offset + value + "!" * (offset % 5)
            assert value not in redactor.text(line), (name, offset)
            assert value in OFF.text(line)


def test_the_secret_may_be_added_while_a_stream_runs():
    redactor = Redactor()
    stream = redactor.stream()
    assert stream.feed(b"late-secret-1\nlate-se") == b"late-secret-1\n"
    redactor.add("late", Secret("late-secret-1"))
    assert stream.feed(b"cret-1\n") == b"<redacted:late>\n"
    redactor.add("late", Secret("rotated-secret-2"))
    assert redactor.text("late-secret-1 rotated-secret-2") == "<redacted:late> <redacted:late>"


def test_secrets_too_short_to_be_certain_are_named():
    redactor = Redactor({"pin": Secret("123"), "code": Secret("abc12"), "good": Secret("long-enough-1")})
    assert redactor.weak == ("pin", "code")
    assert redactor.text("123 abc12") == "123 <redacted:code>"
    assert "abc12" not in repr(redactor)


@pytest.mark.parametrize(
    ("line", "gone"),
    [
        ("Authorization: Bearer abc.def-123", "abc.def-123"),
        ('curl -H "authorization: Basic dXNlcjpwYXNz" http://x', "dXNlcjpwYXNz"),
        ('{"Authorization": "Token 0123"}', "0123"),
        ("POSTGRES_PASSWORD=tiger7 next", "tiger7"),
        ('{"password": "ti ger7"}', "ti ger7"),
        ("password: tiger7", "tiger7"),
        ('"{\\"password\\": \\"tiger7\\"}"', "tiger7"),
        ('{"password": "ti\\"ger7"}', "ger7"),
        ("password='ti ger7' x", "ger7"),
        ("mysqldump --password tiger7 db", "tiger7"),
        ("postgresql://app:tiger7@db/app", "tiger7"),
        ("AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI", "wJalrXUtnFEMI"),
        ("id AKIAIOSFODNN7EXAMPLE end", "AKIAIOSFODNN7EXAMPLE"),
        ("ghp_0123456789abcdefghijABCDEFGHIJ012345", "ghp_0123456789"),
        ("xoxb-1234567890-abcdefghij", "xoxb-1234567890"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "c2lnbmF0dXJl"),
        ("https://hooks.slack.com/services/T0001/B0002/abcdefghijk", "abcdefghijk"),
        ("x-api-key: k3y-v4lue", "k3y-v4lue"),
        ("?access_token=abcdef0123&x=1", "abcdef0123"),
    ],
)
def test_what_looks_like_a_secret_is_masked(line, gone):
    out = OFF.text(line)
    assert gone not in out
    assert "<redacted:" in out
    assert OFF.text(out) == out
    cuts = [through(OFF.stream(), [line[:n].encode(), line[n:].encode()]).decode() for n in range(len(line))]
    assert set(cuts) == {out}


@pytest.mark.parametrize(
    "line",
    [
        "password authentication failed for user app",
        "the token has expired; api ok; secret sauce",
        '{"secret": "db_password"}',
        '{"token": 17, "password": null}',
        "http://backend:8000/health user@host",
        "passed 12 of 12: no failure",
        "password=<redacted:db>",
        "AKIA is a prefix; asia-southeast1; eyjafjallajokull",
    ],
)
def test_what_is_no_secret_stays(line):
    assert OFF.text(line) == line


PEM = (
    "-----BEGIN OPENSSH PRIVATE KEY-----\n"
    + "b3BlbnNzaC1rZXktdjEAAAAA+/==\n" * 30
    + "-----END OPENSSH PRIVATE KEY-----\n"
)


@pytest.mark.parametrize("size", [1, 7, 64, 100_000])
def test_a_private_key_is_masked_as_one(size):
    data = ("before\n" + PEM + "after\n").encode()
    out = through(OFF.stream(), [data[i : i + size] for i in range(0, len(data), size)])
    assert out == b"before\n<redacted:private key>\nafter\n"


def test_a_key_that_never_ends_hides_no_log_for_ever():
    data = b"-----BEGIN PRIVATE KEY-----\nAAAA\n" + b"2026 [INFO] all is well\n" * 4000
    out = through(OFF.stream(), [data[i : i + 999] for i in range(0, len(data), 999)])
    assert b"AAAA" not in out
    assert out.count(b"all is well") >= 3990


def test_a_line_without_end_is_given_out_in_parts_without_leaks():
    secret = CANARIES["plain"].encode()
    data = (b"x" * 977 + secret) * 400
    stream = REDACTOR.stream()
    out, most = b"", 0
    for i in range(0, len(data), 1013):
        out += stream.feed(data[i : i + 1013])
        most = max(most, stream._size)
    out += stream.flush()
    assert secret not in out
    assert out.count(b"<redacted:plain>") == 400
    assert most <= LINE_LIMIT + 1013
    huge = b"password=" + b"v" * 600_000 + b" tail\nnext\n"
    out = through(OFF.stream(), [huge[i : i + 4096] for i in range(0, len(huge), 4096)])
    assert out == b"password=<redacted:password>\nnext\n"


def test_many_values_on_one_endless_line_are_not_kept():
    stream = OFF.stream()
    out, most = b"", 0
    for _ in range(400):
        out += stream.feed(b"token=abcdefgh,password=tiger7 " * 40)
        most = max(most, stream._size)
    out += stream.flush()
    assert b"tiger7" not in out
    assert out.count(b"<redacted:password>") == 16_000
    assert most <= LINE_LIMIT + 2000


@pytest.mark.parametrize(
    "piece",
    [
        b"eyJ",
        b"-eyJ",
        b"eyJaaaaaa.",
        b"-----BEGIN PRIVATE KEY-----\n[",
        b'password="',
        b"://a:",
        b"\x1b]",
        b"\x1b[",
        b"xoxb-",
    ],
)
def test_hostile_repetition_does_not_stop_the_stream(piece):
    size = 200_000
    data = (piece * (size // len(piece) + 1))[:size]
    stream = REDACTOR.stream()
    begun = time.process_time()
    for i in range(0, size, 4096):
        stream.feed(data[i : i + 4096])
    stream.flush()
    assert time.process_time() - begun < 5  # measured: at most 0.4 s; one quadratic rule takes minutes


def test_data_is_walked_and_keeps_its_shape():
    secret = Secret("hunter2-Zq8vR4xKd")
    data = {
        "argv": ["login", "hunter2-Zq8vR4xKd"],
        "hunter2-Zq8vR4xKd": 1,
        "n": 3,
        "f": 1.5,
        "ok": True,
        "none": None,
        "stdin": {"secret": "registry"},
        "password": "anything",
        "held": secret,
        "ref": SecretRef("db"),
    }
    redactor = Redactor({"plain": secret, "pin": Secret("48151623")})
    out = redactor.data(data)
    assert out == {
        "argv": ["login", "<redacted:plain>"],
        "<redacted:plain>": 1,
        "n": 3,
        "f": 1.5,
        "ok": True,
        "none": None,
        "stdin": {"secret": "registry"},
        "password": "<redacted:password>",
        "held": "<redacted:plain>",
        "ref": {"secret": "db"},
    }
    assert redactor.data(48151623) == "<redacted:pin>"
    assert "hunter2" not in json.dumps(out)
    assert "hunter2" in json.dumps(OFF.data({k: v for k, v in data.items() if k != "held"} | {"ref": None}))


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=6))
def test_output_without_secrets_is_untouched_however_it_is_cut(data, cuts):
    at = sorted({c % (len(data) + 1) for c in cuts})
    chunks = [data[a:b] for a, b in zip([0, *at], [*at, len(data)], strict=True)]
    for idle in (False, True):
        assert through(REDACTOR.stream(), chunks, idle) == data


def test_the_beginning_of_a_secret_before_a_cut_is_not_shown():
    value = CANARIES["plain"]
    for kept in range(4, len(value)):
        cut = f"see {value[:kept]}\u2026"
        assert OFF.text(cut) == cut
        assert REDACTOR.text(cut) == "see \u2026"
        assert REDACTOR.text(f"{cut} (+12 characters)\nnext") == "see \u2026 (+12 characters)\nnext"
    long = Sanitiser().feed(b"x" * (16 * 1024 - 6) + value.encode() + b"\n")[0]
    assert value[:6] in long and value[:6] not in REDACTOR.text(long)
    assert REDACTOR.text("nothing of it\u2026") == "nothing of it\u2026"


def test_many_secrets_are_learnt_at_once():
    redactor = Redactor()
    redactor.add_all({name: Secret(value) for name, value in CANARIES.items()})
    assert redactor.text(CANARIES["medium"]) == mask("medium")


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        ("1234567", ("",)),
        ("12345678", ()),
        ('{"username": "ci", "token": "abc"}', ("token",)),
        ('{"username": "ci", "token": "long-enough"}', ()),
        ("{not json", ()),
    ],
)
def test_what_is_too_short_is_named(value, parts):
    assert short_parts(value) == parts

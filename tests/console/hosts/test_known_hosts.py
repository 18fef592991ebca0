"""Our reader of known_hosts, line by line."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from console.hosts.known_hosts import KnownKey, fingerprint, hashed, judge, kinds, matches, parse_line, read


def blob(kind: str, tail: bytes) -> bytes:
    return len(kind).to_bytes(4, "big") + kind.encode() + tail


ONE = blob("ssh-ed25519", b"one")
TWO = blob("ssh-ed25519", b"two")
RSA = blob("ssh-rsa", b"three")


def line(patterns: str, key: bytes = ONE, kind: str = "ssh-ed25519", marker: str = "") -> str:
    return f"{marker}{patterns} {kind} {base64.b64encode(key).decode()} a comment"


def keys(*lines: str) -> list[KnownKey]:
    found = [parse_line(text, "file", number) for number, text in enumerate(lines, 1)]
    return [one for one in found if isinstance(one, KnownKey)]


@pytest.mark.parametrize(
    ("patterns", "name", "expected"),
    [
        ("host", "host", True),
        ("host", "HOST", True),
        ("host", "hosts", False),
        ("host,10.0.0.5", "10.0.0.5", True),
        ("*.example.org", "a.example.org", True),
        ("*.example.org", "example.org", False),
        ("10.0.0.?", "10.0.0.5", True),
        ("10.0.0.?", "10.0.0.55", False),
        ("*,!bad", "bad", False),
        ("!bad,*", "bad", False),
        ("*,!bad", "good", True),
        ("!bad", "good", False),
        ("[host]:2222", "[host]:2222", True),
        ("[host]:2222", "h", False),
        ("[ho*]:*", "[host]:2222", True),
        ("host", "[host]:2222", False),
        (hashed("[host]:2222", b"x" * 20), "[host]:2222", True),
        (hashed("host", b"x" * 20), "other", False),
    ],
)
def test_patterns(patterns: str, name: str, expected: bool) -> None:
    assert matches(patterns, name) is expected


def test_verdicts() -> None:
    record = keys(line("host"), line("host", RSA, "ssh-rsa"), line("old", TWO), line("*", TWO, marker="@revoked "))
    assert judge(record, "host", "ssh-ed25519", ONE).outcome == "known"
    assert judge(record, "host", "ssh-rsa", RSA).outcome == "known"
    assert judge(record, "nobody", "ssh-ed25519", ONE).outcome == "unknown"
    assert judge(record, "old", "ssh-ed25519", TWO).outcome == "revoked"
    wrong = judge(record, "host", "ssh-rsa", blob("ssh-rsa", b"other"))
    assert wrong.outcome == "mismatch"
    assert wrong.line is not None and wrong.line.line == 2
    assert kinds(record, "host") == ["ssh-ed25519", "ssh-rsa"]


def test_an_authority_is_named_and_not_used() -> None:
    record = keys(line("*.org", marker="@cert-authority "))
    verdict = judge(record, "a.org", "ssh-ed25519", ONE)
    assert verdict.outcome == "unknown"
    assert verdict.authority is not None


def test_bad_lines_are_reported_and_cost_nothing(tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    file.write_bytes(
        "\n".join(
            ("# comment", "", "host", "host ssh-ed25519 ???", "host 1024 35 123", "@odd " + line("host"),
             "|1|broken " + line("x").split(" ", 1)[1], line("host", RSA), line("good"))
        ).encode() + b"\n\xff\xfe\n"
    )  # fmt: skip
    found, problems = read((file, tmp_path / "none"))
    assert [key.patterns for key in found] == ["good"]
    assert [problem.line for problem in problems] == [3, 4, 5, 6, 7, 8, 10]


def test_fingerprint_as_ssh_keygen_prints_it(tmp_path: Path) -> None:
    import subprocess

    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "k")], check=True)
    printed = subprocess.run(["ssh-keygen", "-lf", str(tmp_path / "k.pub")], check=True, capture_output=True, text=True)
    key = base64.b64decode((tmp_path / "k.pub").read_text().split()[1])
    assert fingerprint(key) == printed.stdout.split()[1]

"""Credentials from the command line: asked for on the terminal once, handed over by a descriptor, or refused with 4."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from console.demo.control import DemoSystem
from tests.console.cli.program import Said, Terminal, quarterdeck

PASSPHRASE = "a long enough passphrase of this test"
VALUE = "value-of-the-credential-81c2"


@pytest.fixture
def profile(places: Path) -> Path:
    file = places / "p.yaml"
    file.write_text(
        "system: x\nkeyring: sealed\ncredentials: {api: {kind: http, rotate_after_days: 1}}\n"
        "hosts: {here: {local: true}}\nenvironments:\n  only:\n"
        f"    hosts: [here]\n    directory: {places}\n    stack: {{kind: compose, project: x, files: [compose.yml], "
        "services: {web: {health: none}}, images: {web: 'x.example/y:{release}'}}\n"
    )
    return file


def handed(passphrase: str, profile: Path, *words: str, given: str = "") -> Said:
    """Run it on a profile with a passphrase on a descriptor, and perhaps something on standard input."""
    reading, writing = os.pipe()
    os.write(writing, passphrase.encode())
    os.close(writing)
    said = quarterdeck("-p", str(profile), "--passphrase-fd", str(reading), *words, given=given, descriptors=(reading,))
    os.close(reading)
    assert not passphrase or passphrase not in said.out + said.err
    return said


def test_a_keyring_is_made_and_opened_on_the_terminal_without_echo(profile: Path) -> None:
    said = quarterdeck("-p", str(profile), "credentials", "list")
    assert said.code == 0 and "NOT SET" in said.out, "to see what is missing needs no keyring"
    with Terminal("-p", str(profile), "credentials", "set", "api") as terminal:
        terminal.expect("Value of the credential api:")
        terminal.type(f"{VALUE}\n")
        terminal.expect("The same again:")
        terminal.type(f"{VALUE}\n")
        terminal.expect("New passphrase for the keyring")
        terminal.type(f"{PASSPHRASE}\n")
        terminal.expect("The same again:")
        terminal.type(f"{PASSPHRASE}\n")
        terminal.expect("api is stored in")
        assert terminal.ended() == 0
        assert VALUE not in terminal.seen and PASSPHRASE not in terminal.seen
    with Terminal("-p", str(profile), "credentials", "list") as terminal:
        terminal.expect("Passphrase of the keyring")
        terminal.type("wrong\n")
        terminal.expect("2 more tries")
        terminal.expect("Passphrase of the keyring")
        terminal.type(f"{PASSPHRASE}\n")
        assert terminal.ended() == 0
        assert "api" in terminal.seen and VALUE not in terminal.seen


def test_a_value_that_nobody_can_type_is_not_stored_and_nothing_else_is_said(profile: Path) -> None:
    said = quarterdeck("-p", str(profile), "credentials", "set", "other")
    assert said.code == 4 and "no terminal to type the value on; nothing was stored" in said.err
    assert "Note" not in said.err and "passphrase" not in said.err
    said = handed(PASSPHRASE, profile, "credentials", "set", "other", "--generate", "30")
    stored, note = said.err.splitlines()
    assert said.code == 0 and "other is stored in" in stored
    assert note == "Note: this profile does not name a credential other."
    with Terminal("-p", str(profile), "credentials", "set", "api") as terminal:
        terminal.expect("Value of the credential api:")
        terminal.type(f"{VALUE}\n")
        terminal.expect("The same again:")
        terminal.type("another one\n")
        terminal.expect("The two values differ; nothing was stored.")
        assert terminal.ended() == 4


def test_a_store_that_needs_no_passphrase_is_not_said_to_open_with_one(demo: DemoSystem) -> None:
    said = quarterdeck("-p", "demo", "credentials", "unlock")
    assert said.code == 0 and said.out.endswith(": open; it needs no passphrase of Quarterdeck's.\n")
    assert quarterdeck("audit", "show").out.count("keyring") == 0


def test_handed_over_by_a_descriptor(profile: Path) -> None:
    assert handed(PASSPHRASE, profile, "credentials", "unlock").code == 0
    file = profile.with_name("value")
    file.write_text(VALUE + "\n")
    assert handed(PASSPHRASE, profile, "credentials", "set", "api", "--file", str(file)).code == 0
    listed = handed(PASSPHRASE, profile, "credentials", "list", "--json")
    (row,) = json.loads(listed.out)
    assert (row["name"], row["set"], row["overdue"]) == ("api", True, False) and VALUE not in listed.out
    wrong = handed("not this one", profile, "credentials", "list")
    assert wrong.code == 4 and "does not open it" in wrong.err
    empty = handed("", profile, "credentials", "list")
    assert empty.code == 4 and "No passphrase came on descriptor" in empty.err
    assert handed(PASSPHRASE, profile, "credentials", "remove", "api", "--yes").code == 0
    assert json.loads(handed(PASSPHRASE, profile, "credentials", "list", "--json").out)[0]["set"] is False
    kinds = [record["kind"] for record in json.loads(quarterdeck("audit", "show", "--json").out)]
    assert kinds == ["keyring.made", "credential.set", "credential.removed"]


def test_locked_and_nobody_to_ask_is_four(profile: Path) -> None:
    words = ("-p", str(profile))
    said = quarterdeck(*words, "credentials", "check", "api")
    assert said.code == 4 and "no keyring yet" in said.err and "credentials set api" in said.err
    assert handed(PASSPHRASE, profile, "credentials", "unlock").code == 0
    for more in (("list",), ("list", "--json"), ("check", "api"), ("unlock",), ("remove", "api", "--yes")):
        said = quarterdeck(*words, "credentials", *more)
        assert said.code == 4 and "--passphrase-fd N" in said.err, (more, said)
    said = quarterdeck(*words, "--passphrase-fd", "77", "credentials", "list")
    assert said.code == 4 and "Descriptor 77 cannot be read" in said.err


def test_a_value_from_standard_input(profile: Path) -> None:
    said = handed(PASSPHRASE, profile, "credentials", "set", "api", "--stdin", given=f"{VALUE}\n")
    assert said.code == 0 and VALUE not in said.out + said.err
    said = quarterdeck("-p", str(profile), "credentials", "set", "api", "--stdin", "--file", "x")
    assert said.code == 2 and "one of --file, --stdin and --generate" in said.err


def test_fields_labels_and_values_that_are_made_here(profile: Path) -> None:
    text = profile.read_text().replace("rotate_after_days: 1}", "rotate_after_days: 1}, db: {fields: [user, password]}")
    profile.write_text(text)

    def set_(*words: str, given: str = "") -> Said:
        return handed(PASSPHRASE, profile, "credentials", "set", *words, given=given)

    assert set_("api", "--generate", "40").code == 0
    assert set_("api", "--stdin", "--label", "pending", given=VALUE).code == 0
    assert set_("db", "--stdin", "--field", "user", given="app").code == 0
    assert set_("db", "--generate", "24", "--field", "password").code == 0
    api, db = json.loads(handed(PASSPHRASE, profile, "credentials", "list", "--json").out)
    assert api["labels"] == ["pending", "current"] and db["labels"] == ["current"]
    assert len(api["fingerprint"]) == 12 and api["fingerprint"] != db["fingerprint"]
    for words, given, why in (
        (("api", "--generate", "4"), "", "16 to 512"),
        (("api", "--stdin", "--field", "x"), "v", "it has none"),
        (("db", "--generate", "24"), "", "--field password"),
        (("db", "--stdin"), "plain text", "JSON object of texts with the fields user, password"),
        (("db", "--stdin"), '{"user": "a", "pass": "b"}', "it has pass, which it should not"),
        (("API!", "--stdin"), "v", "The name of a credential"),
    ):
        said = set_(*words, given=given)
        assert said.code == 2 and why in said.err, (words, said)
    assert set_("db", "--stdin", given='{"user": "a", "password": "b-value-of-the-field"}').code == 0
    assert handed(PASSPHRASE, profile, "credentials", "remove", "api", "--label", "pending", "--yes").code == 0
    api = json.loads(handed(PASSPHRASE, profile, "credentials", "list", "--json").out)[0]
    assert api["labels"] == ["current"] and api["state"] == "fine"


SAYS_BACK = 'read -r p; [ "$p" = right-value-of-the-login ] || { echo no: $p >&2; exit 1; }'


def test_what_a_credential_is_for_is_asked_by_a_probe_that_uses_it(profile: Path) -> None:
    probe = {"kind": "command", "argv": ["sh", "-c", SAYS_BACK], "stdin": {"secret": "api"}}
    profile.write_text(f"{profile.read_text()}    probes: {json.dumps({'login': probe})}\n")
    for value, code, evidence in (("right-value-of-the-login", 0, "exit code 0"), (VALUE, 1, "no: <redacted:api>")):
        assert handed(PASSPHRASE, profile, "credentials", "set", "api", "--stdin", given=value).code == 0
        said = handed(PASSPHRASE, profile, "credentials", "check", "api")
        assert (said.code, evidence in said.out) == (code, True), said
        assert VALUE not in said.out + said.err
    rows = json.loads(handed(PASSPHRASE, profile, "credentials", "list", "--json").out)
    assert rows[0]["verified_at"] is None and rows[0]["used"] == ["probes of only"]


def test_the_console_takes_no_descriptor(profile: Path) -> None:
    said = quarterdeck("-p", str(profile), "--passphrase-fd", "0")
    assert said.code == 2 and "the console asks" in said.err

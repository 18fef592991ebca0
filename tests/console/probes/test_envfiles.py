"""How an environment file on this machine stands beside its template: every difference is seen, no value is said."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from console.credentials.errors import CredentialMissing, KeyringLocked
from console.environment import Environment, bind
from console.hosts.command import InputTemplate
from console.hosts.template import filled_in, value_of
from console.live.drift import drift_of
from console.probes.envfiles import FileState, fingerprints_of, look_at, read_once, unusable
from console.stacks import envfiles
from console.watch.looks import environment_view
from profiles.loader import load_profile

PROFILE = """\
system: t
keyring: sealed
hosts: {one: {local: true}}
credentials: {jwt: {}, db: {fields: [password]}}
environments:
  here:
    hosts: [one]
    directory: %(app)s
    stack: {kind: process, artifacts: "%(app)s/r/{release}", services: {web: {command: ["true"], port: 45872}}}
    files: {env: {path: .env, template: env.template, services: [web]}}
"""
TEMPLATE = "LOG=info\nJWT={secret: jwt}\nURL=pg://a:{secret: db, field: password, encode: url}@db\nNODE={host}\n"
VALUES = {"jwt": "jwt-value-of-today", "jwt#previous": "jwt-value-of-before", "db": '{"password": "p@ss word"}'}


def secret(word: str) -> str:
    if word not in VALUES:
        raise CredentialMissing(f"There is no credential '{word}'.")
    return VALUES[word]


def locked(word: str) -> str:
    raise KeyringLocked("The keyring is locked.")


@pytest.fixture
def bound(tmp_path: Path) -> Iterator[Callable[..., Environment]]:
    made: list[Environment] = []
    (tmp_path / "app").mkdir()

    def give(template: str = TEMPLATE, secrets: Callable[[str], str] = secret) -> Environment:
        (tmp_path / "env.template").write_text(template)
        (tmp_path / "p.yaml").write_text(PROFILE % {"app": tmp_path / "app"})
        profile = load_profile(str(tmp_path / "p.yaml"))
        made.append(bind(profile, "here", secrets=secrets, fingerprints=lambda word: f"mark-of-{word}"))
        return made[-1]

    yield give
    for one in made:
        one.close()


def only(states: tuple[FileState, ...]) -> FileState:
    (state,) = states
    return state


def test_every_difference_is_seen_and_no_value_is_said(tmp_path: Path, bound: Callable[..., Environment]) -> None:
    here, file = bound(), tmp_path / "app" / ".env"
    assert only(look_at(here)).drift() == f"{file} is not there." and only(look_at(here)).changed
    file.write_text("LOG=info\nJWT=jwt-value-of-today\nURL=pg://a:p%40ss%20word@db\nNODE=one\n")
    file.chmod(0o600)
    same = only(look_at(here))
    assert same.drift() == "" and not same.changed
    file.write_text("LOG='warn'\nJWT=jwt-value-of-before\nURL=<url>\nEXTRA=x\n")
    file.chmod(0o640)
    state = only(look_at(here))
    assert state.drift() == (
        f"{file}: LOG, JWT differ; NODE is missing; EXTRA is not in the template; URL has a placeholder; "
        "its mode is 0640, not 0600."
    )
    assert {key.key: key.was for key in state.keys if key.was} == {"JWT": "jwt#previous"}
    said = state.model_dump_json()
    assert not [value for value in ("value-of-today", "value-of-before", "warn", "p@ss") if value in said]
    assert "value" in VALUES["jwt"], "the control: there is something to be found"


WRITTEN = "LOG=info\nJWT=jwt-value-of-today\nURL=pg://a:p%40ss%20word@db\nNODE=one\n"


@pytest.mark.parametrize(
    ("text", "mode", "as_it_is"),
    [
        (WRITTEN, 0o600, True),
        ("# by hand\n" + WRITTEN, 0o600, False),
        (WRITTEN.replace("info", "'info'"), 0o600, False),
        (WRITTEN.replace("LOG", "export LOG"), 0o600, False),
        ("".join(sorted(WRITTEN.splitlines(keepends=True))), 0o600, False),
        (WRITTEN.replace("\n", "\r\n"), 0o600, False),
        (WRITTEN.removesuffix("\n"), 0o600, False),
        (WRITTEN + "\n", 0o600, False),
        (WRITTEN, 0o640, False),
        (WRITTEN.replace("of-today", "of-before"), 0o600, False),
    ],
)
def test_what_planning_takes_for_changed_is_what_the_check_on_the_host_does_not_accept(
    tmp_path: Path, bound: Callable[..., Environment], text: str, mode: int, as_it_is: bool
) -> None:
    """Else a rotation sends to `configure`, which has nothing to do. What is changed is drift as well."""
    here, file = bound(), tmp_path / "app" / ".env"
    file.write_bytes(text.encode())
    file.chmod(mode)
    state = only(look_at(here))
    check = envfiles.written([state.template], "one")
    assert isinstance(check.stdin, InputTemplate)
    accepted = subprocess.run(check.argv, input=filled_in(check.stdin, here.value), text=True, check=False)
    assert (accepted.returncode == 0, not state.changed, not state.drift()) == (as_it_is,) * 3, state.drift()


def test_a_value_that_a_look_would_misread_is_what_was_written(
    tmp_path: Path, bound: Callable[..., Environment]
) -> None:
    """To `docker run --env-file` a quote is a part of the value; a file that is what was written is so in every key."""
    values = {"jwt": "'starts with a quote #and more"}
    here = bound("A={secret: jwt}\nB=1\n", lambda word: values[word])
    (file,) = here.stack.spec.env_files
    plain = {"one": (file.model_copy(update={"readers": ("docker",)}),)}
    (tmp_path / "app" / ".env").write_text(f"A={values['jwt']}\nB=1\n")
    (tmp_path / "app" / ".env").chmod(0o600)
    state = only(look_at(here, plain))
    assert not state.changed and state.drift() == ""


def test_the_keyring_is_asked_once_for_each_value(tmp_path: Path, bound: Callable[..., Environment]) -> None:
    """However many hosts and files there are: it may be slow, or ask a person."""
    asked: list[str] = []

    def counting(word: str) -> str:
        asked.append(word)
        return secret(word)

    here = bound(TEMPLATE + "MORE={secret: jwt}\nOLD={secret: jwt, label: retired, missing: empty}\n", counting)
    (tmp_path / "app" / ".env").write_text("JWT=other\nURL=other\nMORE=other\n")
    fetch = read_once(here)
    assert unusable(here, here.stack.spec.env_files, fetch) == ()
    look_at(here, fetch=fetch)
    assert len(asked) == len({*asked}) and {"jwt", "db", "jwt#retired"} <= {*asked}


def test_while_the_keyring_is_locked_names_are_compared(tmp_path: Path, bound: Callable[..., Environment]) -> None:
    here, file = bound(secrets=locked), tmp_path / "app" / ".env"
    file.write_text("LOG=warn\nJWT=anything\nURL=anything\nNODE=one\nMORE=1\n")
    file.chmod(0o600)
    state = only(look_at(here, values=False))
    assert {key.key: key.now for key in state.keys} == {
        "LOG": "differs",
        "JWT": "unknown",
        "URL": "unknown",
        "NODE": "same",
        "MORE": "extra",
    }
    with pytest.raises(KeyringLocked):
        look_at(here)


class FakeKeys:
    """Says whether values are at hand."""

    def __init__(self, at_hand: bool) -> None:
        self.at_hand = at_hand


def test_drift_asks_nobody_and_reaches_the_view(tmp_path: Path, bound: Callable[..., Environment]) -> None:
    here = bound(secrets=locked)
    (tmp_path / "app" / ".env").write_text("LOG=info\nJWT=x\nURL=y\n")
    (tmp_path / "app" / ".env").chmod(0o600)
    for at_hand in (False, True):  # True: it was locked between the two looks
        said = drift_of(FakeKeys(at_hand), here, "one")  # type: ignore[arg-type]
        assert said == (f"{tmp_path}/app/.env: NODE is missing.",)
    view = environment_view(
        here.config, lives={"one": here.stack.live(here.hosts["one"])}, problems={}, addresses={}, releases=(),
        lock=None, at=1.0, drift={"one": said},
    )  # fmt: skip
    assert view.differs == (f"one: {said[0]}",)


def test_a_look_that_fails_is_a_sentence_and_not_a_host_of_which_nothing_is_known(
    bound: Callable[..., Environment], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = bound(secrets=locked)
    monkeypatch.setattr("console.stacks.envfiles.LOOK_SCRIPT", "echo 'awk: not found' >&2; exit 127")
    (said,) = drift_of(FakeKeys(False), here, "one")  # type: ignore[arg-type]
    assert said == "The environment files on one could not be looked at: awk: not found."


def test_a_credential_that_is_missing_is_said_beside_the_names(
    tmp_path: Path, bound: Callable[..., Environment]
) -> None:
    here = bound(TEMPLATE + "KEY={secret: jwt, label: pending}\n")
    (tmp_path / "app" / ".env").write_text("LOG=info\n")
    said = drift_of(FakeKeys(True), here, "one")  # type: ignore[arg-type]
    assert said[-1] == "There is no credential 'jwt#pending'." and "are missing" in said[0]


@pytest.mark.parametrize(
    ("line", "values", "why"),
    [
        ("K={secret: jwt, label: pending}", {}, "K of {file}: There is no credential 'jwt#pending'."),
        ("K={secret: jwt}", {"jwt": "it's"}, "K of {file}: the credential jwt cannot be written"),
        ("K={secret: jwt}", {"jwt": "changeme"}, "K of {file} would be a placeholder: set the credential jwt"),
        ("K={secret: jwt}", {"jwt": ""}, "K of {file} would be empty."),
        ("K={secret: db, field: password}", {"db": "no json"}, "K of {file}: The credential db has no fields"),
    ],
)
def test_why_a_file_cannot_be_written(
    tmp_path: Path, bound: Callable[..., Environment], line: str, values: dict[str, str], why: str
) -> None:
    def given(word: str) -> str:
        return values[word] if word in values else secret(word)

    here = bound(f"{line}\n", given)
    (sentence,) = unusable(here, here.stack.spec.env_files)
    assert why.replace("{file}", f"{tmp_path}/app/.env") in sentence
    assert not [value for value in values.values() if value and value != "changeme" and f" {value}" in sentence]


def test_what_may_be_missing_is_empty(bound: Callable[..., Environment]) -> None:
    here = bound("A=1\nOLD={secret: jwt, label: retired, missing: empty}\n")
    assert unusable(here, here.stack.spec.env_files) == ()
    (file,) = here.stack.spec.env_files
    assert file.credentials == () and fingerprints_of(here, (file,)) == {}
    assert value_of(file.lines[1].value("one", file.readers), here.value) == ""

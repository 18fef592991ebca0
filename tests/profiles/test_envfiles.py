"""Environment files in a profile: what a template may say, and where every mistake in it is told to be."""

from __future__ import annotations

from pathlib import Path

import pytest

from profiles.envfiles import is_placeholder
from profiles.errors import ProfileErrors
from profiles.inline import templates_of
from profiles.loader import load_profile
from profiles.models import EnvironmentFile, FileSecret, FileVariable, Profile, secret_names

PROFILE = """\
system: t
variables: {domain: example.org}
hosts: {one: {local: true}}
credentials: {jwt: {}, db: {fields: [password, user]}}
environments:
  staging:
    hosts: [one]
    directory: /opt/t
    urls: {api: "https://{domain}/api"}
    stack: {kind: compose, project: t, files: [c.yml], env_file: .env, services: {a: {}}}
    files:
      env: {path: .env, template: env.template, services: [a]}
"""
TEMPLATE = """\
# a comment

LOG=info and more
URL={api}/x of {environment} in {directory}
NODE=on {host}
JWT={secret: jwt}
DB=postgres://a:{ secret: db , field: password , encode: url }@db/x
OLD={secret: jwt, label: previous, missing: empty}
EMPTY=
BRACES={{as}} they are
"""


def loaded(folder: Path, template: str = TEMPLATE, profile: str = PROFILE) -> Profile:
    (folder / "env.template").write_text(template)
    (folder / "p.yaml").write_text(profile)
    return load_profile(str(folder / "p.yaml"))


def file_of(profile: Profile) -> EnvironmentFile:
    return profile.environments["staging"].files["env"]


def test_the_lines_of_a_template(tmp_path: Path) -> None:
    profile = loaded(tmp_path)
    values = {entry.key: entry.value for entry in file_of(profile).entries}
    assert values == {
        "LOG": ("info and more",),
        "URL": ("https://example.org/api/x of staging in /opt/t",),
        "NODE": ("on ", FileVariable(variable="host")),
        "JWT": (FileSecret(secret="jwt"),),
        "DB": ("postgres://a:", FileSecret(secret="db", field="password", encode="url"), "@db/x"),
        "OLD": (FileSecret(secret="jwt", label="previous", missing="empty"),),
        "EMPTY": (),
        "BRACES": ("{as} they are",),
    }
    assert Profile.model_validate(profile.model_dump(mode="json")) == profile
    named = secret_names(profile.environments["staging"].model_dump(mode="json"))
    assert {(one.secret, one.field) for one in named} == {("jwt", None), ("db", "password")}


def test_who_trusts_a_profile_trusts_its_templates(tmp_path: Path) -> None:
    first, second = loaded(tmp_path).source, loaded(tmp_path, TEMPLATE + "MORE=1\n").source
    assert first is not None and second is not None
    assert first.digest != second.digest and str(tmp_path / "env.template") in first.files


@pytest.mark.parametrize(
    ("line", "column", "said"),
    [
        ("export A=1", 1, "`export` is not part of an environment file. Leave it out."),
        ("  nothing", 3, "This line has no `=`. Write KEY=value; a comment begins with #."),
        ("1A=2", 1, "`1A` cannot be the name of a setting. Use A-Z, 0-9 and '_'."),
        ("A=changeme", 3, "`A` has a placeholder for a value. Write the value, or {secret: NAME}."),
        ("A='x'", 3, "The value of `A` stands in quotes. Leave them out: they are put there."),
        ("A=x # y", 3, "A comment does not stand behind a value."),
        ("A={host", 3, "A single `{` means nothing here. Write it twice for itself."),
        ("A=x{apy}", 4, "The variable {apy} is not known here. Did you mean {api}?"),
        ("A={secret: jtw}", 3, "The credential `jtw` is not declared. Did you mean `jwt`?"),
        ("A={secret: db}", 3, "The credential `db` has fields; one of them is wanted. Add field: password."),
        (
            "A={secret: jwt, label: newest}",
            3,
            "This `label` cannot be. A label is pending, current, prev",
        ),
        ("A={secret: jwt, lable: x}", 3, "`lable: x` means nothing here."),
        ("A={secret: My Secret Value}", 3, "This `secret` cannot be. The name of a credential is"),
        ("A=ghp_0123456789012345678901234567890123", 3, "This looks like a GitHub token. A template holds no secret."),
        ("A=x\tb\x07", 6, "A control character stands in this line. Remove it."),
        ("LOG=twice", 1, "`LOG` is set twice. Keep one of the lines."),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, line: str, column: int, said: str) -> None:
    with pytest.raises(ProfileErrors) as caught:
        loaded(tmp_path, f"{TEMPLATE}{line}\n")
    (problem,) = caught.value.problems
    assert (problem.file, problem.line, problem.column) == (str(tmp_path / "env.template"), 11, column)
    assert f"environments.staging.files.env: {said}" in str(problem)
    assert "My Secret Value" not in str(problem) and "ghp_" not in str(problem)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("template: env.template", "template: env.templat", "The template `env.templat` does not exist. Did you mean"),
        ("services: [a]", "services: [b]", "There is no service `b`."),
        ("services: [a]", "hosts: [two]", "There is no host `two`."),
        ("services: [a]", "mode: '0644'", "mode"),
        ("services: [a]", "owner: 'a b'", "owner"),
        ("services: [a]", "readers: [fish]", "readers"),
        ("services: [a]", "entries: []", "`entries` is written by the console, not in a file."),
        ("path: .env", "path: '{nope}/.env'", "The variable {nope} is not known here."),
        (
            "env: {path: .env,",
            "x: {path: ./.env, template: env.template}\n      env: {path: .env,",
            "already that of `x`",
        ),
        (
            "env: {path: .env,",
            "x: {path: /opt/t/sub/../.env, template: env.template}\n      env: {path: .env,",
            "already that of `x`",
        ),
    ],
)
def test_mistakes_in_the_profile(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in PROFILE
    with pytest.raises(ProfileErrors) as caught:
        loaded(tmp_path, profile=PROFILE.replace(old, new))
    assert said in str(caught.value)


def test_all_mistakes_at_once(tmp_path: Path) -> None:
    with pytest.raises(ProfileErrors) as caught:
        loaded(tmp_path, "A={x}\nB\n", PROFILE.replace("local: true", "lokal: true"))
    assert len(caught.value.problems) == 3


@pytest.mark.parametrize("word", ["changeme", "CHANGE_ME", "TODO", "<password>", "xxx", "your-key", "put it here"])
def test_placeholders(word: str) -> None:
    assert is_placeholder(word)


@pytest.mark.parametrize("word", ["", "x", "todos", "a<b>", "change", "yours", "info", "0"])
def test_values_that_only_look_a_little_like_one(word: str) -> None:
    assert not is_placeholder(word)


def test_what_looks_like_a_secret_that_is_written_out_is_a_warning(tmp_path: Path) -> None:
    made = "API_PASSWORD=correct-horse\nTOKEN_TTL=30\nDB_PASSWORD={secret: jwt}\nSECRET_KEY=\n"
    (sentence,) = templates_of(loaded(tmp_path, made))
    assert "env.template: API_PASSWORD looks like a secret" in sentence and "correct-horse" not in sentence

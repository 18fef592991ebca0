"""The small parts: durations, matches, JSON paths, secrets' names, the search for secrets, the schema."""

from __future__ import annotations

import json

import pytest
from pydantic import TypeAdapter, ValidationError

from console.text.secret import SecretRef
from profiles import jsonpath
from profiles.base import Seconds, SecretName, secret_names, template_names
from profiles.leaks import leaks
from profiles.models import Environment, Health, Match, Profile
from profiles.schema import schema
from profiles.yamltree import read


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("5m", 300), ("2h", 7200), ("1d", 86400), ("250ms", 0.25), ("1.5", 1.5), (7, 7)]
)
def test_durations(text: object, seconds: float) -> None:
    assert TypeAdapter(Seconds).validate_python(text) == seconds


@pytest.mark.parametrize("text", ["", "5 minutes", "s", "-5s", 0, -1, True, None, "1h30m", float("inf"), "32d"])
def test_what_is_no_duration(text: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Seconds).validate_python(text)


@pytest.mark.parametrize(
    ("expected", "found", "value", "ok"),
    [
        ("ok", True, "ok", True),
        ("ok", True, "no", False),
        ("ok", False, None, False),
        (1, True, True, False),
        (True, True, 1, False),
        (None, True, None, True),
        (None, True, 0, False),
        ({"exists": True}, True, None, True),
        ({"exists": True}, False, None, False),
        ({"exists": False}, False, None, True),
        ({"exists": False}, True, 1, False),
        ({"regex": "^a"}, True, "abc", True),
        ({"regex": "^a"}, True, 5, False),
        ({"at_least": 1, "at_most": 2}, True, 1.5, True),
        ({"at_least": 1, "at_most": 2}, True, 3, False),
        ({"at_least": 1}, True, "2", False),
        ({"value": [1, {"a": 2}]}, True, [1, {"a": 2}], True),
    ],
)
def test_what_matches(expected: object, found: bool, value: object, ok: bool) -> None:
    match = Match.model_validate(expected)
    assert (match.failure(found, value) is None) == ok  # type: ignore[arg-type]
    stored = Match.model_validate(json.loads(match.model_dump_json()))
    assert (stored.failure(found, value) is None) == ok  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("path", "result"),
    [
        ("$", (True, {"a": [{"b-c": 1}, {"x y": None}]})),
        ("$.a[0].b-c", (True, 1)),
        ("$.a[-1]['x y']", (True, None)),
        ('$.a[1]["x y"]', (True, None)),
        ("$.a[2]", (False, None)),
        ("$.a.b", (False, None)),
        ("$.b", (False, None)),
        ("$['a'][0]", (True, {"b-c": 1})),
    ],
)
def test_json_paths(path: str, result: object) -> None:
    assert jsonpath.lookup(path, {"a": [{"b-c": 1}, {"x y": None}]}) == result


@pytest.mark.parametrize("path", ["", "a", "$a", "$..a", "$.a[*]", "$[", "$.", "$.a b", "$[0:2]"])
def test_what_is_no_json_path(path: str) -> None:
    with pytest.raises(ValueError, match="JSON path"):
        jsonpath.parse(path)


def test_the_name_of_a_secret_is_that_of_the_console() -> None:
    name = SecretName(secret="smoke-user", field="password")
    assert SecretRef.from_json(name.model_dump()) == SecretRef("smoke-user", "password")
    assert SecretRef.from_json(SecretName(secret="a").model_dump()) == SecretRef("a")


def test_secrets_are_found_by_name_anywhere_in_a_body() -> None:
    body = {"user": "x", "inner": [{"secret": "a"}, {"code": {"secret": "b", "field": "f"}}], "secret": {"secret": "c"}}
    assert [str(name.secret) for name in secret_names(body)] == ["a", "b", "c"]
    assert secret_names({"secret": "a", "other": 1}) == ()


def test_template_names() -> None:
    assert template_names("{base}/x/{job.id} {{.Names}} {} { a }") == ("base", "job.id")


def test_health_may_be_one_word() -> None:
    assert Health.model_validate("none") == Health(kind="none")
    assert Health.model_validate(Health(kind="http").model_dump()) == Health(kind="http")


def found(text: str) -> list[int]:
    tree, problems = read(text.encode(), "f.yaml")
    assert (tree is not None, problems) == (True, [])
    assert tree is not None
    said = list(leaks(tree))
    assert not any("hunter2" in str(problem) for problem in said)
    return [problem.line for problem in said]


@pytest.mark.parametrize(
    "text",
    [
        "password: hunter2",
        "a:\n  db_password: hunter2",
        "client-secret: hunter2",
        "API_KEY: 12345",
        "env: {JWT_SECRET_KEY: hunter2}",
        "tokens: [{token: hunter2}]",
        "argv: [mysql, --password=hunter2]",
        "argv: [mysql, --password, hunter2]",
        "headers: {X-Api-Key: hunter2}",
        "headers: {authorization: Basic hunter2=}",
        "url: postgresql://me:hunter2@db/x",
        "dsn: Server=db;User=me;Password=hunter2;",
        "https://me:hunter2@x: 1",
        "secret: {value: hunter2, secret: hunter2, also: 1}",
        "note: |\n  -----BEGIN RSA PRIVATE KEY-----\n  hunter2",
    ],
)
def test_a_secret_in_a_file_is_found_and_not_repeated(text: str) -> None:
    assert len(found(text)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "password: {secret: registry}",
        "password: null",
        "password: ''",
        "password: '{ticket}'",
        "password: <encrypted>",
        "password: ${DB_PASSWORD}",
        "argv: [x, --password-file, /run/x]",
        "argv: [x, --password, '{ticket}']",
        "save: {token: $.access_token}",
        "expect: {values: {$.token: {exists: true}}}",
        "values: {$.password: null}",
        "headers: {Authorization: 'Bearer {token}'}",
        "title: The password of the database",
        "url: http://127.0.0.1:9090/x@y",
        "url: postgresql://me:{pw}@db/x",
        "address: deploy@example.com",
        "GF_SECURITY_ADMIN_PASSWORD__FILE: /run/secrets/x",
    ],
)
def test_what_only_speaks_of_secrets_is_let_through(text: str) -> None:
    assert found(text) == []


def test_every_field_has_a_description() -> None:
    made = schema()
    parts = {**made["$defs"], "top": made}
    missing = [
        f"{name}.{key}"
        for name, part in parts.items()
        for key, field in part.get("properties", {}).items()
        if "description" not in field and "$ref" not in field
    ]
    assert missing == []
    assert len(parts) > 30


def test_the_schema_speaks_of_the_file() -> None:
    made = schema()
    assert list(made["properties"])[:2] == ["extends", "variables"]
    assert "source" not in made["properties"]
    assert "inherit" in made["$defs"]["Environment"]["properties"]
    assert "name" not in made["$defs"]["Environment"]["properties"]
    json.dumps(made)


def test_models_are_frozen_and_strict() -> None:
    health = Health()
    with pytest.raises(ValidationError):
        health.kind = "none"  # type: ignore[misc]
    with pytest.raises(ValidationError):
        Health.model_validate({"kynd": "none"})
    with pytest.raises(ValidationError):
        Environment.model_validate({"hosts": []})
    assert Profile.model_config["extra"] == "forbid"

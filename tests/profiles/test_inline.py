"""Secrets that are written out in compose and environment files: found with their line, masked, never repeated."""

from __future__ import annotations

import pytest

from profiles.inline import files_of, inline_secrets, masked, masked_words

SECRET = "hunter2-Zx9"


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (f"      POSTGRES_PASSWORD: {SECRET}", "POSTGRES_PASSWORD"),
        (f"      POSTGRES_PASSWORD: '{SECRET}'  # the old one", "POSTGRES_PASSWORD"),
        (f"      - DB_SECRET={SECRET}", "DB_SECRET"),
        (f'      - "API_TOKEN={SECRET}"', "API_TOKEN"),
        (f"    environment: {{SECRET_KEY: {SECRET}, B: y}}", "SECRET_KEY"),
        (f"export JWT_KEY={SECRET}", "JWT_KEY"),
        (f"apikey={SECRET}", "apikey"),
        (f"    command: [redis-server, --password={SECRET}]", "--password"),
        (f"  DB_PASSWORD: ${{DB_PASSWORD:-{SECRET}}}", "DB_PASSWORD"),
        (f"  DB_PASSWORD: $${SECRET}", "DB_PASSWORD"),
        (f"  URL: postgres://app:{SECRET}@db/app", "an address with a password in it"),
    ],
)
def test_found_and_masked(line: str, name: str) -> None:
    text = f"services:\n{line}\n  other: 1\n"
    assert [tuple(one) for one in inline_secrets(text)] == [(2, name)]
    shown = masked(text)
    assert SECRET not in shown and "<redacted>" in shown
    assert shown.splitlines()[0::2] == text.splitlines()[0::2] and shown.endswith("\n")
    (sentence,) = files_of({"/home/op/compose.yml": text})
    assert sentence.startswith(f"/home/op/compose.yml, line 2: {name} ") and SECRET not in sentence


@pytest.mark.parametrize(
    "line",
    [
        "  POSTGRES_PASSWORD: ${POSTGRES_PASSWORD}",
        "  POSTGRES_PASSWORD: $POSTGRES_PASSWORD",
        "  - DB_PASSWORD=${DB_PASSWORD:?is not set}",
        "  POSTGRES_PASSWORD_FILE: /run/secrets/db",
        "  DB_PASSWORD: /run/secrets/db",
        "  DB_PASSWORD:",
        '  DB_PASSWORD: ""',
        "  - DB_PASSWORD",
        "  TOKEN_TTL: 3600",
        "  REQUIRE_TOKEN: true",
        "  KEYCLOAK_URL: http://login.example",
        "  MONKEY: banana",
        "secrets:",
        "    secrets: [db_password]",
    ],
)
def test_what_is_no_secret_is_left_alone(line: str) -> None:
    text = f"services:\n{line}\n"
    assert inline_secrets(text) == () and masked(text) == text


def test_a_value_of_several_lines_is_masked_whole() -> None:
    text = f"a:\n  TLS_KEY: |\n    {SECRET}\n\n    {SECRET}2\n  other: stays\n"
    assert masked(text) == "a:\n  TLS_KEY: <redacted>\n    <redacted>\n\n    <redacted>\n  other: stays\n"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"  DB_PASSWORD: {SECRET}\n  B: y", "  DB_PASSWORD: <redacted>\n  B: y"),
        (f'      - "API_TOKEN={SECRET}"', '      - "API_TOKEN=<redacted>"'),
        (f"URL=postgres://app:{SECRET}@db/app", "URL=postgres://app:<redacted>@db/app"),
        (f"TOKEN={SECRET}; ls", "TOKEN=<redacted>; ls"),
        ("TOKEN_FILE=/run/x", "TOKEN_FILE=/run/x"),
        ("token= ls", "token= ls"),
        ("rm -rf token: /", "rm -rf token: /"),
    ],
)
def test_where_a_person_must_judge_only_words_are_masked(text: str, shown: str) -> None:
    assert masked_words(text) == shown

"""docs/profile.md says what is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from profiles.loader import load_profile
from profiles.reference import document
from profiles.schema import schema

DOCUMENT = Path(__file__).parents[2] / "docs" / "profile.md"


def test_the_tables_are_those_of_the_models() -> None:
    text = DOCUMENT.read_text("utf-8")
    assert document(text) == text, "run: python -m profiles.reference docs/profile.md"


def test_the_tables_leave_no_part_out() -> None:
    text = DOCUMENT.read_text("utf-8")
    keys = {key for part in schema()["$defs"].values() for key in part.get("properties", {})}
    assert len(keys) > 80
    assert [key for key in sorted(keys) if f"| `{key}` |" not in text] == []


def test_the_tables_need_their_place() -> None:
    with pytest.raises(ValueError, match="no place"):
        document("nothing here")


def test_the_ten_lines_load(tmp_path: Path) -> None:
    example = re.findall(r"```yaml\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)[0]
    assert len(example.splitlines()) <= 10
    path = tmp_path / "quarterdeck.yaml"
    path.write_text(example)
    assert load_profile(path).environments["production"].production


def test_every_example_is_yaml() -> None:
    examples = re.findall(r"```yaml\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)
    assert len(examples) >= 4
    assert all(isinstance(yaml.safe_load(example), dict) for example in examples)

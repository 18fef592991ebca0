"""Whatever stands in a file: a profile, or ProfileErrors with a place; never anything else."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from profiles.errors import ProfileErrors
from profiles.loader import load_profile
from profiles.models import Profile
from tests.profiles.sample import SAMPLE, written

QUICK = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)
KEYS = st.sampled_from(
    [
        *("system", "title", "hosts", "environments", "defaults", "credentials", "extends", "variables", "stack"),
        *("kind", "services", "images", "feeds", "metrics", "logs", "panels", "smoke", "probes", "checklists", "file"),
        *("password", "secret", "url", "via", "name", "depends", "jump", "inherit", "policy", "urls", "a", "<<", ""),
    ]
)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 10**20),
    st.floats(allow_nan=False),
    st.text(max_size=12),
    st.sampled_from(
        ["compose", "process", "prometheus", "{release}", "{x}", "http://x", "/opt/x", "a", "demo", "[", "("]
    ),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(KEYS, inner, max_size=5)),
    max_leaves=25,
)


def outcome(path: Path) -> Profile | None:
    """The profile, or None after its mistakes were told in full."""
    try:
        return load_profile(path)
    except ProfileErrors as errors:
        assert errors.problems
        for problem in errors.problems:
            assert problem.wrong.strip()
            assert problem.wrong[-1] in ".)", problem.wrong
            assert (problem.line >= 1 and problem.column >= 1) or problem.line == 0
        str(errors)
        return None


@QUICK
@given(value=st.dictionaries(KEYS, VALUES, max_size=8))
def test_any_tree(tmp_path: Path, value: dict[str, Any]) -> None:
    outcome(written(tmp_path, yaml.safe_dump(value, allow_unicode=True)))


@QUICK
@given(data=st.binary(max_size=300))
def test_any_bytes(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(data)
    assert outcome(path) is None


@QUICK
@given(text=st.text(alphabet=st.sampled_from("ab:-[]{}&*!|>'\"%@`#,? \n\t~<0"), max_size=60))
def test_any_punctuation(tmp_path: Path, text: str) -> None:
    assert outcome(written(tmp_path, text)) is None


@pytest.mark.parametrize("seed", range(4))
def test_a_sound_profile_with_one_place_broken(tmp_path: Path, seed: int) -> None:
    """Every value of the sample in turn replaced by something that may not stand there."""
    draw = random.Random(seed)
    told = 0
    for place in places(yaml.safe_load(SAMPLE)):
        tree = yaml.safe_load(SAMPLE)
        inner: Any = tree
        for word in place[:-1]:
            inner = inner[word]
        inner[place[-1]] = draw.choice([None, [], {}, "x y", 5, -1.5, True, [[]], {"a": {}}, "{nope}", "", ["a", 1]])
        told += outcome(written(tmp_path, yaml.safe_dump(tree, sort_keys=False))) is None
    assert told > 50


@pytest.mark.parametrize("seed", range(4))
def test_a_sound_profile_with_characters_lost(tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    for _ in range(60):
        start = draw.randrange(len(SAMPLE))
        outcome(written(tmp_path, SAMPLE[:start] + SAMPLE[start + draw.randrange(1, 30) :]))


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a tree, as keys and indices."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = [at] if at else []
    for key, each in inner:
        found += places(each, (*at, key))
    return found

"""YAML as it is read here: the core schema of YAML 1.2, with places, and without traps."""

from __future__ import annotations

from pathlib import Path

import pytest

from profiles.base import Placed
from profiles.yamltree import MAX_BYTES, Branch, plain, read


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("OFF", "OFF"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("null", None),
        ("12", 12),
        ("-3", -3),
        ("012", 12),
        ("0o17", 15),
        ("0x1F", 31),
        ("1_000", "1_000"),
        ("12:30:45", "12:30:45"),
        ("2026-01-02", "2026-01-02"),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("1.0.0", "1.0.0"),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("1e999", "1e999"),
        ("'true'", "true"),
        ('"12"', "12"),
        ("!!str 12", "12"),
        ("9" * 31, "9" * 31),
    ],
)
def test_what_a_scalar_means(text: str, value: object) -> None:
    tree, problems = read(f"a: {text}\n".encode(), "f.yaml")
    assert problems == []
    assert tree is not None
    found = plain(tree)["a"]
    assert found == value
    assert isinstance(found, bool) == isinstance(value, bool)


def test_every_value_knows_its_place_in_characters() -> None:
    tree, problems = read("ä: ö\nlist:\n  - äöü: {b: [1, two]}\n".encode(), "f.yaml")
    assert problems == []
    assert tree is not None
    inner = tree.get("list")
    assert inner is not None
    branch = inner.nodes[0]  # type: ignore[union-attr]
    assert isinstance(branch, Branch)
    assert (branch.entries["äöü"].mark.line, branch.entries["äöü"].mark.column) == (3, 5)
    assert (branch.entries["äöü"].node.mark.line, branch.entries["äöü"].node.mark.column) == (3, 10)


def test_a_text_remembers_the_folder_of_its_file() -> None:
    tree, _ = read(b"a: x\n", "/some/where/f.yaml")
    assert tree is not None
    value = plain(tree)["a"]
    assert isinstance(value, Placed)
    assert value.base == Path("/some/where")


def test_an_anchor_is_used_in_several_places() -> None:
    tree, problems = read(b"a: &x {k: [1, 2]}\nb: *x\n", "f.yaml")
    assert problems == []
    assert tree is not None
    assert plain(tree) == {"a": {"k": [1, 2]}, "b": {"k": [1, 2]}}


def one(data: bytes) -> str:
    tree, problems = read(data, "f.yaml")
    assert tree is None
    assert len(problems) == 1
    return str(problems[0])


def test_a_bomb_of_aliases_is_refused_before_it_is_written_out() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    assert "holds more than 50,000 values once its aliases are written out." in one("\n".join(lines).encode())


def test_a_few_aliases_are_no_bomb() -> None:
    lines = ["a0: &a0 [x, x]", "a1: [*a0, *a0]"]
    tree, problems = read("\n".join(lines).encode(), "f.yaml")
    assert (tree is not None, problems) == (True, [])


@pytest.mark.parametrize("text", ["a: " + "[" * 500, "a: " + "{b: " * 500, "a: " + "[" * 200_000, "- " * 5000])
def test_deep_nesting_is_refused(text: str) -> None:
    assert "more than 40 deep" in one(text.encode()) or "not YAML" in one(text.encode())


def test_a_large_file_is_refused() -> None:
    assert one(b"#" * (MAX_BYTES + 1)) == "f.yaml: The file is 1,048,577 bytes long. A profile has at most 1,048,576."
    tree, problems = read(b"a: 1\n" + b"#" * (MAX_BYTES - 5), "f.yaml")
    assert (tree is not None, problems) == (True, [])


def test_what_is_not_utf8_is_refused_at_its_place() -> None:
    assert one("a: 1\nbö: ü".encode("latin-1")) == "f.yaml:2:2: The file is not UTF-8 here. Save it as UTF-8."


def test_a_byte_order_mark_is_passed_over() -> None:
    tree, problems = read(b"\xef\xbb\xbfa: 1\n", "f.yaml")
    assert (tree is not None, problems) == (True, [])


@pytest.mark.parametrize("data", [b"", b"# only a comment\n", b"---\n", b"~\n"])
def test_an_empty_file_is_refused(data: bytes) -> None:
    assert one(data) == "f.yaml: The file is empty. Begin with `quarterdeck profile init`."


def test_a_raw_control_character_is_refused_at_its_place() -> None:
    assert one(b"a: 1\nb: x\x1b[31m\n").startswith("f.yaml:2:5: A character that YAML does not allow")


@pytest.mark.parametrize("escape", ["\\e", "\\x9b", "\\u202e", "\\0", "\\r", "\\x7f"])
def test_an_escaped_control_character_is_refused(escape: str) -> None:
    _, problems = read(f'a: "x{escape}y"\n'.encode(), "f.yaml")
    assert len(problems) == 1
    assert "control character" in str(problems[0])
    assert all(character.isprintable() for character in str(problems[0]))


@pytest.mark.parametrize(
    "tag", ["!!python/object/apply:os.system", "!!binary", "!x", "!!timestamp", "!!int", "!!omap", "!!set", "!<tag:x>"]
)
def test_tags_are_refused(tag: str) -> None:
    _, problems = read(f"a: {tag} {'{}' if tag in ('!!omap', '!!set') else 'x'}\n".encode(), "f.yaml")
    assert [problem.wrong.startswith("The tag ") for problem in problems] == [True]


def test_several_mistakes_of_the_yaml_are_told_together() -> None:
    _, problems = read(b'a: 1\na: 2\n? [x]\n: 1\n<<: {}\nb: !x 1\nc: "\\e"\n', "f.yaml")
    assert [problem.line for problem in problems] == [2, 3, 5, 6, 7]

"""What the models refuse, in sentences with a place and the nearest right name."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from profiles.base import nearest
from profiles.errors import Mark, ProfileProblem
from profiles.yamltree import Branch, Items, Leaf, Node

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

__all__ = ["explained", "placed"]

Loc: TypeAlias = tuple[str | int, ...]

_FORMS: Final[Mapping[str, str]] = {
    r"^[a-z0-9][a-z0-9._-]{0,62}$": "It is made of a-z, 0-9, '.', '_' and '-', and begins with a letter or digit.",
    r"^[a-z0-9][a-z0-9_-]{0,62}$": "It is made of a-z, 0-9, '_' and '-', and begins with a letter or digit.",
    r"^[a-z][a-z0-9_]{0,40}$": "A variable is made of a-z, 0-9 and '_', and begins with a letter.",
    r"^[a-z0-9][a-z0-9._-]{0,63}$": (
        "The name of a credential is made of a-z, 0-9, '.', '_' and '-'. (What stands here is not repeated.)"
    ),
    r"^[A-Za-z_][A-Za-z0-9_]*$": "A setting's name is made of letters, digits and '_'.",
    r"^/[^\s]*$": "It begins with / and has no spaces.",
    r"^[^-]": "It may not begin with '-'.",
    r"^[A-Za-z0-9_\[][A-Za-z0-9_.:%\[\]-]{0,252}$": "Write a host name, an address or an SSH alias.",
    r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$": "It is made of letters, digits, '_', '.' and '-'.",
    r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$": "The name of a header has no spaces and no ':'.",
    r"^[A-Za-z0-9{][A-Za-z0-9._:/@{}-]*$": "Write an image as repo:{release}.",
    r"^[a-zA-Z_:][a-zA-Z0-9_:]*$": "The name of a metric is made of letters, digits, '_' and ':'.",
    r"^[A-Za-z0-9][A-Za-z0-9.-]*(:\d{1,5})?$": "Write host or host:port, without http:// and without a path.",
}
_SYNONYMS: Final[Mapping[str, tuple[str, ...]]] = {
    "color": ("colour",),
    "json": ("body", "values"),
    "host": ("hosts", "address"),
    "hostname": ("address",),
    "key": ("identity",),
    "identity_file": ("identity",),
    "key_file": ("identity",),
    "bastion": ("jump",),
    "proxy_jump": ("jump",),
    "username": ("user",),
    "sudo": ("become",),
    "path": ("directory", "url"),
    "dir": ("directory",),
    "compose_files": ("files",),
    "compose": ("files",),
    "type": ("kind",),
    "cmd": ("argv", "command"),
    "command": ("argv",),
    "expr": ("query",),
    "promql": ("query",),
    "timeout": ("deadline", "timeout"),
    "healthcheck": ("health",),
    "depends_on": ("depends",),
    "image": ("images",),
    "tests": ("smoke",),
    "smoke_tests": ("smoke",),
    "envs": ("environments",),
    "servers": ("hosts",),
    "secrets": ("credentials",),
    "rotate": ("rotate_after_days",),
    "id": ("name",),
}


def placed(root: Node, loc: Loc, at_key: bool = False) -> tuple[Mark, tuple[str, ...], Node]:
    """(place, keys, node) of a location. Words of it that are no keys (tags of unions) are passed over.

    Where the last word is missing, the place is the key of the mapping that lacks it.
    """
    node, key_mark, keys = root, root.mark, []
    for word in loc:
        if isinstance(node, Branch) and str(word) in node.entries:
            entry = node.entries[str(word)]
            key_mark, node = entry.mark, entry.node
            keys.append(str(word))
        elif isinstance(node, Items) and isinstance(word, int) and word < len(node.nodes):
            node = node.nodes[word]
            key_mark = node.mark
            keys.append(str(word))
    return (key_mark if at_key else node.mark), tuple(keys), node


def explained(errors: Iterable[ErrorDetails], root: Branch, silent: frozenset[Mark]) -> Iterator[ProfileProblem]:
    """The models' errors as problems. Places in `silent` hold something secret and are already reported."""
    errors = list(errors)
    unknown = [error["loc"] for error in errors if error["type"] == "extra_forbidden"]
    for error in errors:
        loc = error["loc"]
        kind = error["type"]
        if kind == "missing" and any(
            at[:-1] == loc[:-1] and nearest(str(at[-1]), [str(loc[-1])]) is not None for at in unknown
        ):
            continue  # it is there and misspelt, which is said where it stands
        at_key = kind in ("extra_forbidden", "missing", "union_tag_not_found") or (bool(loc) and loc[-1] == "[key]")
        mark, keys, node = placed(root, loc, at_key)
        value_mark = node.mark
        if mark in silent or value_mark in silent:
            continue
        if kind == "too_short" and isinstance(node, Items | Branch) and node.size > 1:
            continue  # it is only short of the items that are refused one by one
        wrong, right = _sentence(error, keys, node)
        yield ProfileProblem(mark, ".".join(keys), wrong, right)


def _sentence(error: ErrorDetails, keys: tuple[str, ...], node: Node) -> tuple[str, str]:
    kind, context = error["type"], error.get("ctx", {})
    subject = f"`{keys[-1][:60]}`" if keys and not keys[-1].isdecimal() else "This"
    if kind == "missing":
        missing = str(error["loc"][-1])
        return f"`{missing}` is missing here.", _description(error["loc"])
    if kind == "extra_forbidden":
        return f"{subject} is not known here.", _instead(str(error["loc"][-1]), error["loc"][:-1])
    if kind == "value_error":
        said = str(context.get("error", error["msg"]))
        return f"{subject} {said}.", ""
    if kind == "union_tag_not_found":
        return f"{subject} does not say its `kind`.", f"Known: {_listed(_tags(error['loc']))}."
    if kind == "union_tag_invalid":
        expected = re.findall(r"'([^']*)'", str(context.get("expected_tags", "")))
        return _choice(f"{subject}: kind", str(context.get("tag", "")), expected)
    if kind == "literal_error":
        expected = re.findall(r"'([^']*)'", str(context.get("expected", "")))
        return _choice(subject, _raw(node), expected)
    if isinstance(node, Leaf) and node.value is None:
        return f"{subject} has no value.", "Give it one, or leave the key out."
    if context.get("class_name") == "SecretName":
        return f"{subject} names a credential.", "Write {secret: NAME}; its value is never written here."
    return _by_type(kind, context, subject, node)


def _by_type(kind: str, context: Mapping[str, Any], subject: str, node: Node) -> tuple[str, str]:
    what = _what(node)
    if kind == "bool_type":
        yes = _raw(node).lower()
        note = f" In YAML 1.2 `{yes}` is a text." if yes in ("yes", "no", "on", "off", "y", "n") else ""
        return f"{subject} is true or false, and here stands {what}.{note}", "Write true or false."
    if kind == "string_type":
        quotes = "Put quotes around it." if isinstance(node, Leaf) else "Write a single text."
        return f"{subject} is a text, and here stands {what}.", quotes
    if kind.startswith("int_"):
        return f"{subject} is a whole number, and here stands {what}.", ""
    if kind.startswith("float_"):
        return f"{subject} is a number, and here stands {what}.", ""
    if kind in ("model_type", "dict_type", "model_attributes_type", "mapping_type"):
        return f"{subject} is a mapping of keys, and here stands {what}.", "Write its keys below it, indented."
    if kind in ("list_type", "tuple_type"):
        return f"{subject} is a list, and here stands {what}.", "Write [a, b], or one line with '- ' for each."
    if kind in ("greater_than", "greater_than_equal", "less_than", "less_than_equal"):
        limit = next((context[key] for key in ("gt", "ge", "lt", "le") if key in context), "")
        words = {"gt": "more than", "ge": "at least", "lt": "less than", "le": "at most"}
        word = next(words[key] for key in words if key in context)
        return f"{subject} is {_raw(node)}, and must be {word} {limit}.", ""
    if kind in ("too_short", "string_too_short"):
        return f"{subject} is empty, or too short.", "It needs at least one."
    if kind in ("too_long", "string_too_long"):
        return f"{subject} is too long.", f"At most {context.get('max_length', '')}."
    if kind == "string_pattern_mismatch":
        pattern = str(context.get("pattern", ""))
        right = _FORMS.get(pattern, f"It must match {pattern}.")
        secret = pattern == r"^[a-z0-9][a-z0-9._-]{0,63}$"
        shown = "" if secret or not _raw(node) else f" ({_raw(node)})"
        return f"{subject}{shown} does not have the right form.", right
    return f"{subject} is not right: {kind.replace('_', ' ')}.", ""


def _choice(subject: str, word: str, expected: list[str]) -> tuple[str, str]:
    near = nearest(word, expected)
    shown = f"`{word[:60]}`" if word else "empty"
    return f"{subject} is {shown}, and must be one of {_listed(expected)}.", f"Did you mean `{near}`?" if near else ""


def _listed(words: Iterable[str]) -> str:
    return ", ".join(words)


def _raw(node: Node) -> str:
    return node.raw[:60] if isinstance(node, Leaf) else ""


def _what(node: Node) -> str:
    if isinstance(node, Branch):
        return "a mapping"
    if isinstance(node, Items):
        return "a list"
    if node.value is None:
        return "nothing"
    if isinstance(node.value, bool):
        return f"the boolean {_raw(node)}"
    if isinstance(node.value, int | float):
        return f"the number {_raw(node)}"
    return f"the text `{_raw(node)}`"


# --- what is known where: read off the JSON schema, which is made only once something is wrong


@functools.cache
def _schema() -> Mapping[str, Any]:
    from profiles.schema import schema

    return schema()


def _at(loc: Loc) -> Mapping[str, Any]:
    """The schema of the mapping at a location."""
    here = _resolved(_schema())
    for word in loc:
        here = _step(here, word)
    return here


def _resolved(part: Mapping[str, Any]) -> Mapping[str, Any]:
    while "$ref" in part:
        part = _schema()["$defs"][part["$ref"].rsplit("/", 1)[-1]]
    choices = [choice for choice in part.get("anyOf", ()) if choice.get("type") != "null" and "enum" not in choice]
    return _resolved(choices[0]) if len(choices) == 1 else part


def _step(here: Mapping[str, Any], word: str | int) -> Mapping[str, Any]:
    mapping = here.get("discriminator", {}).get("mapping", {})
    if word in mapping:
        return _resolved({"$ref": mapping[word]})
    if word == "name of a secret":
        return _resolved({"$ref": "#/$defs/SecretName"})
    if isinstance(word, int):
        return _resolved(here.get("items", {}))
    if word in here.get("properties", {}):
        return _resolved(here["properties"][word])
    more = here.get("additionalProperties") or next(iter(here.get("patternProperties", {}).values()), None)
    return _resolved(more) if isinstance(more, Mapping) else {}


def _instead(key: str, loc: Loc) -> str:
    here = _at(loc).get("properties", {})
    known = [name for name in here if name != "name" or "name" in _at(loc).get("required", ())]
    synonym = next((name for name in _SYNONYMS.get(key.lower(), ()) if name in known), None)
    near = synonym or nearest(key, known)
    if near:
        return f"Did you mean `{near}`?"
    home = sorted(_homes(key))
    belongs = f"`{key[:60]}` belongs under {' or '.join(home[:3])}. " if home else ""
    return f"{belongs}Known here: {_listed(known)}."


def _homes(key: str) -> Iterator[str]:
    """Where a key that is misplaced could stand: parts of an environment that know it."""
    for part in ("stack", "feeds", "policy"):
        tags = ("compose", "process") if part == "stack" else (None,)
        for tag in tags:
            loc: Loc = ("environments", "x", part, *((tag,) if tag else ()))
            if key in _at(loc).get("properties", {}):
                yield f"`{part}`"
                break
    if key in _at(("environments", "x")).get("properties", {}):
        yield "an environment"
    if key in _schema().get("properties", {}):
        yield "the top of the profile"


def _tags(loc: Loc) -> Iterable[str]:
    mapping: Mapping[str, str] = _at(loc).get("discriminator", {}).get("mapping", {})
    return list(mapping)


def _description(loc: Loc) -> str:
    here = _at(loc[:-1]).get("properties", {}).get(str(loc[-1]), {})
    said = here.get("description", "")
    return f"Add it: {said}" if said else "Add it."

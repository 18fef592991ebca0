"""Finds secrets that somebody wrote into a profile. The text found is never repeated."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from profiles.errors import Mark, ProfileProblem
from profiles.yamltree import Branch, Items, Leaf, Node

__all__ = ["kind_of", "leaks"]

_KEY: Final = re.compile(
    r"(.*_)?(password|passwd|passphrase|pwd|secret|secret_?key|token|private_?key|api_?key|access_?key|"
    r"connection_?string|webhook_?url|client_?secret)"
)
_VALUES: Final[tuple[tuple[str, re.Pattern[str]], ...]] = (
    ("a private key", re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY( BLOCK)?-----")),
    ("a GitHub token", re.compile(r"\b(gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,})")),
    ("a GitLab token", re.compile(r"\bglpat-[A-Za-z0-9_-]{16,}")),
    ("a Slack token", re.compile(r"\bxox[abeoprs]-[A-Za-z0-9-]{8,}")),
    ("a Slack webhook", re.compile(r"hooks\.slack\.com/services/[A-Z0-9]+/[A-Z0-9]+/\w+")),
    ("an AWS access key", re.compile(r"\b(AKIA|ASIA)[A-Z0-9]{16}\b")),
    ("a JSON web token", re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]*")),
    ("an API key", re.compile(r"\b(sk|rk)_live_[A-Za-z0-9]{10,}|\bsk-[A-Za-z0-9_-]{24,}|\bAIza[A-Za-z0-9_-]{30,}")),
    ("an address with a password in it", re.compile(r"\b[a-zA-Z][a-zA-Z0-9+.-]*://[^/\s:@]*:(?![{<$])[^/\s@]+@")),
    ("a connection string with a password in it", re.compile(r"(?i)\b(password|pwd)\s*=\s*(?![{<$])[^;\s'\"]{2,}")),
    ("a password on a command line", re.compile(r"^--?(password|passwd|token|secret|api-key)=(?![{<$]).+")),
)
_LOGIN: Final = re.compile(r"(?i)\s*(basic|bearer|token)\s+(?!\{)\S+")
_HARMLESS: Final = re.compile(r"\{[A-Za-z_][A-Za-z0-9_]*\}|<[^<>]*>|\$\{?[A-Za-z_][A-Za-z0-9_]*\}?")
_HEADERS: Final = frozenset(("authorization", "proxy-authorization", "x-api-key", "cookie", "x-auth-token"))
_WORD_FLAGS: Final = frozenset(("--password", "--passwd", "--token", "--secret", "--api-key"))


def leaks(node: Node) -> Iterator[ProfileProblem]:
    """Every place in the tree where a value looks like a secret, with how to store it instead."""
    yield from _walk(node, (), "")


def _walk(node: Node, path: tuple[str, ...], key: str) -> Iterator[ProfileProblem]:
    if isinstance(node, Branch):
        for name, entry in node.entries.items():
            what = kind_of(name)
            if what and not isinstance(entry.node, Branch):
                yield _problem(entry.mark, path, f"A key of this mapping looks like {what}.")
                continue
            # `{secret: NAME}` is how a secret is named: its value is the name, and checked as one.
            names = name == "secret" and set(node.entries) <= {"secret", "field"}
            yield from _walk(entry.node, (*path, name), "" if names else name)
    elif isinstance(node, Items):
        previous = ""
        for number, inner in enumerate(node.nodes):
            word = inner.value if isinstance(inner, Leaf) and isinstance(inner.value, str) else ""
            if previous in _WORD_FLAGS and word and not _HARMLESS.fullmatch(word):
                yield _problem(inner.mark, (*path, str(number)), "This looks like a password on a command line.")
            else:
                yield from _walk(inner, (*path, str(number)), key)
            previous = word
    else:
        what = _found(node, path, key)
        if what:
            yield _problem(node.mark, path, what)


def _found(leaf: Leaf, path: tuple[str, ...], key: str) -> str | None:
    if leaf.value is None or isinstance(leaf.value, bool) or leaf.raw == "":
        return None
    what = kind_of(leaf.raw)
    if what:
        return f"This looks like {what}."
    if _HARMLESS.fullmatch(leaf.raw):
        return None
    inside = set(path[:-1])
    if "save" in inside or "values" in inside or "until" in inside or "fail" in inside:
        return None  # these say where a value is found in an answer, or what it should be
    lowered = key.lower()
    if lowered in _HEADERS and (lowered != "authorization" or _LOGIN.match(leaf.raw)):
        return f"The header `{key}` holds a literal value."
    if _KEY.fullmatch(lowered.replace("-", "_")):
        return f"`{key}` holds a literal value."
    return None


def kind_of(text: str) -> str | None:
    """What secret a text holds by its form, such as `a private key`; None if it holds none."""
    return next((what for what, pattern in _VALUES if pattern.search(text)), None)


def _problem(mark: Mark, path: tuple[str, ...], wrong: str) -> ProfileProblem:
    return ProfileProblem(
        mark,
        ".".join(path),
        f"{wrong} A profile holds no secret.",
        "Store it with `quarterdeck credentials set NAME`, declare NAME under `credentials:`, and write "
        "{secret: NAME} here. If this file was ever shared, renew the secret.",
    )

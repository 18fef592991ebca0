"""One tree laid over another: how `extends`, `defaults` and variables become one complete profile."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping

from profiles.yamltree import Branch, Entry, Items, Leaf, Node

__all__ = ["overlay", "substituted"]


def overlay(base: Node, child: Node) -> Node:
    """`child` over `base`: mappings are merged key by key, anything else is replaced whole, null takes a key away.

    Two mappings that each say a different `kind` have nothing in common, so the child's replaces the base's.
    """
    if not isinstance(base, Branch) or not isinstance(child, Branch):
        return child
    kinds = [node.value for node in (base.get("kind"), child.get("kind")) if isinstance(node, Leaf)]
    if len(kinds) == 2 and kinds[0] != kinds[1]:
        return _bare(child)
    entries = dict(base.entries)
    for key, entry in child.entries.items():
        if isinstance(entry.node, Leaf) and entry.node.value is None:
            entries.pop(key, None)
        elif key in entries:
            entries[key] = Entry(key, entry.mark, overlay(entries[key].node, entry.node))
        else:
            entries[key] = entry
    return Branch(child.mark, entries, sum(entry.node.size for entry in entries.values()) + 1)


def _bare(node: Branch) -> Branch:
    return dataclasses.replace(node)


def substituted(node: Node, values: Mapping[str, str]) -> Node:
    """The tree with `{name}` replaced in every text, for the names in `values`. Other braces stay as they are.

    A plain text that is a number once replaced (`port: "{port}"`) stays a text; the models read numbers from texts.
    """
    if not values:
        return node
    pattern = re.compile(r"\{(" + "|".join(re.escape(name) for name in values) + r")\}")

    def walk(inner: Node) -> Node:
        if isinstance(inner, Branch):
            entries = {key: Entry(key, entry.mark, walk(entry.node)) for key, entry in inner.entries.items()}
            return Branch(inner.mark, entries, inner.size)
        if isinstance(inner, Items):
            return Items(inner.mark, tuple(walk(each) for each in inner.nodes), inner.size)
        if isinstance(inner.value, str) and "{" in inner.value:
            return Leaf(inner.mark, pattern.sub(lambda match: values[match[1]], inner.value), inner.raw)
        return inner

    return walk(node)

"""YAML into a tree in which every key and value knows its file, line and column.

Built from the parser's events, not by PyYAML's constructors: nothing in a file can name a Python object, and depth,
size and aliases are counted before anything is expanded. Scalars follow the core schema of YAML 1.2, so that `yes`,
`no`, `on` and `off` are texts (the country Norway is not false), and times and octal numbers with a bare 0 are too.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from profiles.base import Placed
from profiles.errors import Mark, ProfileProblem

if TYPE_CHECKING:
    import yaml

__all__ = ["MAX_BYTES", "Branch", "Entry", "Items", "Leaf", "Node", "plain", "read"]

MAX_BYTES: Final = 1024 * 1024
MAX_DEPTH: Final = 40
MAX_NODES: Final = 50_000
"""Counted after aliases are expanded: a profile of 50 environments has about 10,000."""
MAX_KEY: Final = 200

_NULL: Final = frozenset(("", "~", "null", "Null", "NULL"))
_TRUE: Final = frozenset(("true", "True", "TRUE"))
_FALSE: Final = frozenset(("false", "False", "FALSE"))
_INT: Final = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_UNSAFE: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_CORE: Final = "tag:yaml.org,2002:"


@dataclass(frozen=True, slots=True)
class Leaf:
    """A text, number, boolean or null."""

    mark: Mark
    value: str | int | float | bool | None
    raw: str = ""
    size: int = 1


@dataclass(frozen=True, slots=True)
class Entry:
    """A key, where it stands, and its value."""

    key: str
    mark: Mark
    node: Node


@dataclass(frozen=True, slots=True)
class Branch:
    """A mapping, in the order of the file."""

    mark: Mark
    entries: dict[str, Entry] = field(default_factory=dict)
    size: int = 1

    def get(self, key: str) -> Node | None:
        """The value under a key, or None."""
        entry = self.entries.get(key)
        return entry.node if entry else None


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    mark: Mark
    nodes: tuple[Node, ...] = ()
    size: int = 1


Node: TypeAlias = Leaf | Branch | Items


class _Halt(Exception):
    """The file cannot be read on from here."""

    def __init__(self, mark: Mark, wrong: str, right: str = "") -> None:
        super().__init__(wrong)
        self.problem = ProfileProblem(mark, "", wrong, right)


def read(data: bytes, file: str) -> tuple[Branch | None, list[ProfileProblem]]:
    """The tree of one file and the mistakes in its YAML. The tree is None where the file cannot be read at all."""
    problems: list[ProfileProblem] = []
    try:
        text = _text(data, file)
        node = _Composer(text, file, problems).document()
    except _Halt as halt:
        return None, [*problems, halt.problem]
    if node is None or (isinstance(node, Leaf) and node.value is None):
        return None, [ProfileProblem(Mark(file), "", "The file is empty.", "Begin with `quarterdeck profile init`.")]
    if not isinstance(node, Branch):
        return None, [
            *problems,
            ProfileProblem(node.mark, "", "A profile is a mapping of keys.", "Begin with `system:`."),
        ]
    return node, problems


def _text(data: bytes, file: str) -> str:
    if len(data) > MAX_BYTES:
        raise _Halt(Mark(file), f"The file is {len(data):,} bytes long.", f"A profile has at most {MAX_BYTES:,}.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line = before.count(b"\n") + 1
        column = len(before.rsplit(b"\n", 1)[-1].decode("utf-8", "replace")) + 1
        raise _Halt(Mark(file, line, column), "The file is not UTF-8 here.", "Save it as UTF-8.") from None


class _Composer:
    """Makes nodes of the parser's events."""

    def __init__(self, text: str, file: str, problems: list[ProfileProblem]) -> None:
        self.file = file
        self.text = text
        self.problems = problems
        self.anchors: dict[str, Node | None] = {}
        self.events = self._events(text)

    def _events(self, text: str) -> Iterator[yaml.Event]:
        import yaml

        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        try:
            yield from yaml.parse(text, Loader=loader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            said = " ".join(str(part) for part in (error.problem, error.context) if part)
            place = Mark(self.file, mark.line + 1, mark.column + 1) if mark else Mark(self.file)
            lines = text.splitlines()
            line = lines[mark.line] if mark and mark.line < len(lines) else ""
            tab = mark is not None and line[: mark.column + 1].endswith("\t")
            advice = "Indent with spaces, not with tabs." if tab else _advice(said)
            raise _Halt(place, f"This is not YAML: {_clean(said)}.", advice) from None
        except yaml.reader.ReaderError as error:
            place = self._unsafe_place() or Mark(self.file)
            raise _Halt(
                place, f"A character that YAML does not allow ({_clean(error.reason)}).", "Remove it."
            ) from None

    def _unsafe_place(self) -> Mark | None:
        match = _UNSAFE.search(self.text)
        if match is None:
            return None
        line = self.text.count("\n", 0, match.start()) + 1
        return Mark(self.file, line, match.start() - (self.text.rfind("\n", 0, match.start()) + 1) + 1)

    def document(self) -> Node | None:
        import yaml

        root: Node | None = None
        documents = 0
        for event in self.events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise _Halt(self._mark(event), "A second document begins here.", "A profile is one document.")
            elif isinstance(event, yaml.NodeEvent):
                root = self._node(event, 0)
        return root

    def _mark(self, event: yaml.Event) -> Mark:
        mark = event.start_mark
        return Mark(self.file, mark.line + 1, mark.column + 1) if mark else Mark(self.file)

    def _node(self, event: yaml.Event, depth: int) -> Node:
        import yaml

        mark = self._mark(event)
        if depth > MAX_DEPTH:
            raise _Halt(mark, f"This is nested more than {MAX_DEPTH} deep.", "A profile needs about 8.")
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, mark)
        anchor = getattr(event, "anchor", None)
        if anchor is not None:
            self.anchors[anchor] = None
        tag = getattr(event, "tag", None)
        if tag is not None and not (tag.startswith(_CORE) and tag[len(_CORE) :] in ("str", "seq", "map")):
            self._say(mark, f"The tag {_clean(tag.replace(_CORE, '!!'))} is not understood.", "Tags are not used here.")
        node: Node
        if isinstance(event, yaml.ScalarEvent):
            node = self._scalar(event, mark)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self._list(mark, depth)
        else:
            node = self._mapping(mark, depth)
        if node.size > MAX_NODES:
            raise _Halt(mark, f"This holds more than {MAX_NODES:,} values once its aliases are written out.")
        if anchor is not None:
            self.anchors[anchor] = node
        return node

    def _alias(self, event: yaml.AliasEvent, mark: Mark) -> Node:
        name = _clean(str(event.anchor))
        if event.anchor not in self.anchors:
            raise _Halt(mark, f"*{name} refers to nothing.", f"Mark the value it means with &{name}, above this line.")
        node = self.anchors[event.anchor]
        if node is None:
            raise _Halt(mark, f"*{name} refers to the value that it stands in.", "A value cannot hold itself.")
        return node

    def _scalar(self, event: yaml.ScalarEvent, mark: Mark) -> Leaf:
        raw = event.value
        unsafe = _UNSAFE.search(raw)
        if unsafe:
            code = f"U+{ord(unsafe[0]):04X}"
            self._say(
                mark, f"A text here holds the control character {code}.", "Remove it: it could deceive a terminal."
            )
            return Leaf(mark, _UNSAFE.sub("?", raw), _UNSAFE.sub("?", raw))
        if not event.implicit[0] or event.style:
            return Leaf(mark, raw, raw)
        return Leaf(mark, _core(raw), raw)

    def _list(self, mark: Mark, depth: int) -> Items:
        import yaml

        nodes: list[Node] = []
        size = 1
        for event in self.events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            nodes.append(self._node(event, depth + 1))
            size = self._grown(size, nodes[-1], mark)
        return Items(mark, tuple(nodes), size)

    def _mapping(self, mark: Mark, depth: int) -> Branch:
        import yaml

        entries: dict[str, Entry] = {}
        size = 1
        for event in self.events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            key = self._node(event, depth + 1)
            value = self._node(next(self.events), depth + 1)
            size = self._grown(size, value, mark)
            if not isinstance(key, Leaf):
                self._say(key.mark, "A list or a mapping cannot be a key.", "A key is a text.")
                continue
            at = self._mark(event)
            name = key.value if isinstance(key.value, str) else key.raw
            if name == "<<":
                self._say(
                    at, "Merge keys (<<) are not part of YAML 1.2.", "Use `defaults:`, `extends:` or a plain *alias."
                )
            elif len(name) > MAX_KEY:
                self._say(at, f"A key is longer than {MAX_KEY} characters.")
            elif name in entries:
                first = entries[name].mark.line
                self._say(at, f"`{name}` stands here a second time; the first is in line {first}.", "Keep one of them.")
            else:
                entries[name] = Entry(name, at, value)
        return Branch(mark, entries, size)

    def _grown(self, size: int, node: Node, mark: Mark) -> int:
        size += node.size
        if size > MAX_NODES:
            raise _Halt(mark, f"This holds more than {MAX_NODES:,} values once its aliases are written out.")
        return size

    def _say(self, mark: Mark, wrong: str, right: str = "") -> None:
        self.problems.append(ProfileProblem(mark, "", wrong, right))


def _core(raw: str) -> str | int | float | bool | None:
    """What a plain scalar means in the core schema of YAML 1.2 (section 10.3.2)."""
    if raw in _NULL:
        return None
    if raw in _TRUE:
        return True
    if raw in _FALSE:
        return False
    if len(raw) <= 30:
        if _INT.fullmatch(raw):
            return int(raw, 0) if raw[:2] in ("0o", "0x") else int(raw)
        if _FLOAT.fullmatch(raw):
            number = float(raw)
            return number if math.isfinite(number) else raw
    return raw


def _clean(text: str) -> str:
    """Words of the parser, safe to show."""
    return _UNSAFE.sub("?", text)[:200]


def _advice(said: str) -> str:
    if "mapping values are not allowed" in said:
        return "Put quotes around a text that holds ': ', or look at the indentation."
    if "expected <block end>" in said or "did not find expected key" in said or "block collection" in said:
        return "Look at the indentation of this line and of the one before."
    if "flow" in said or "','" in said:
        return "Look for a missing ']', '}' or ','."
    if "quoted scalar" in said:
        return "Look for a missing closing quote."
    return "Look at this line and the one before."


def plain(node: Node) -> Any:
    """The tree as dicts, lists and values. Texts remember the directory of their file, for paths in them."""
    if isinstance(node, Branch):
        return {key: plain(entry.node) for key, entry in node.entries.items()}
    if isinstance(node, Items):
        return [plain(inner) for inner in node.nodes]
    if isinstance(node.value, str):
        return Placed(node.value, _directory(node.mark.file))
    return node.value


@functools.lru_cache(maxsize=64)
def _directory(file: str) -> Path:
    return Path(file).parent

"""From a file, or the name of a built-in profile, to a complete Profile, or to all that is wrong with it.

    load_profile("quarterdeck.yaml")                     one file and what it extends
    load_profile("demo", variables={"demo": "/path"})    a built-in one
    find_profile(None, Path.cwd(), config_dir)           which one is meant

Order: read, `extends` (child over base), `variables`, `defaults` under each environment, then the models and the cross
checks; what they find is reported together.
"""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from profiles.errors import Mark, ProfileErrors, ProfileProblem
from profiles.yamltree import MAX_BYTES, Branch, Entry, Leaf, Node, plain, read

if TYPE_CHECKING:
    from profiles.envfiles import FileValue
    from profiles.models import Profile

__all__ = ["Found", "builtin_names", "find_profile", "load_profile"]

BUILTIN: Final = Path(__file__).parent / "builtin"
WORKING_FILE: Final = "quarterdeck.yaml"
DEFAULT_FILE: Final = "profile.yaml"
MAX_EXTENDS: Final = 8
_ADDRESSED: Final = ("feeds", "probes", "smoke")
_VARIABLE: Final = re.compile(r"[a-z][a-z0-9_]{0,40}")


@dataclass(frozen=True, slots=True)
class Found:
    """Which profile is meant, and who said so. One from the working directory is trusted first, by its digest."""

    path: Path
    origin: Literal["argument", "built-in", "working directory", "default"]
    name: str
    """What to give to `load_profile`: the built-in's name, or the path."""


def builtin_names() -> tuple[str, ...]:
    """Names of the profiles that come with Quarterdeck."""
    return tuple(sorted(path.parent.name for path in BUILTIN.glob("*/profile.yaml")))


def find_profile(name_or_path: str | None, cwd: Path, config_dir: Path) -> Found | None:
    """The profile that is meant: the one named, else `quarterdeck.yaml` in `cwd`, else the user's default, else None.

    `config_dir` is the console's own configuration directory; the default there is `profile.yaml`. Raises
    ProfileErrors when one is named that is neither a file nor a built-in profile.
    """
    if name_or_path is not None:
        if name_or_path in builtin_names():
            return Found(BUILTIN / name_or_path / "profile.yaml", "built-in", name_or_path)
        path = _absolute(name_or_path, cwd)
        if not _is_file(path):
            raise ProfileErrors([_no_such(name_or_path, Mark(name_or_path))])
        return Found(path, "argument", str(path))
    for path, origin in ((cwd / WORKING_FILE, "working directory"), (config_dir / DEFAULT_FILE, "default")):
        if _is_file(path):
            return Found(path, "working directory" if origin == "working directory" else "default", str(path))
    return None


def load_profile(path_or_name: str | Path, variables: Mapping[str, str] | None = None) -> Profile:
    """The complete profile of a file or a built-in name. `variables` go before the file's own `variables:`.

    Raises ProfileErrors with every mistake, each with file, line and column. Reads files and nothing else; nothing in
    a profile is executed by loading it.
    """
    given = dict(variables or {})
    reading = _Reading()
    name = str(path_or_name)
    builtin = name if isinstance(path_or_name, str) and name in builtin_names() else None
    path = BUILTIN / name / "profile.yaml" if builtin else _absolute(name, Path.cwd())
    root = reading.chain(path, Mark(name), ())
    if root is None:
        raise ProfileErrors(reading.problems)
    root = reading.completed(root, given)
    return reading.validated(root, path, builtin)


def _absolute(name: str, cwd: Path) -> Path:
    path = Path(name)
    if name.startswith("~"):
        try:
            path = path.expanduser()
        except RuntimeError:  # there is no such user: the path is taken as it stands, and is not there
            path = Path(name)
    return path if path.is_absolute() else cwd / path


def _no_such(name: str, mark: Mark, path: str = "") -> ProfileProblem:
    names = builtin_names()
    near = difflib.get_close_matches(name, names, n=1)
    listed = ", ".join(names)
    right = f"Did you mean `{near[0]}`?" if near else f"Give a file, or the name of a built-in profile: {listed}."
    return ProfileProblem(mark, path, f"There is no profile `{name[:200]}`.", right)


class _Reading:
    """One loading: the files read so far and the mistakes found so far."""

    def __init__(self) -> None:
        self.problems: list[ProfileProblem] = []
        self.files: list[tuple[Path, bytes]] = []
        self.values: Mapping[str, str] = {}
        self.templates: dict[str, bytes] = {}

    def say(self, mark: Mark, path: str, wrong: str, right: str = "") -> None:
        self.problems.append(ProfileProblem(mark, path, wrong, right))

    # --- files and what they extend

    def chain(self, path: Path, mark: Mark, children: tuple[Path, ...]) -> Branch | None:
        """The tree of `path` laid over what it extends; None where a file cannot be read at all."""
        from profiles.leaks import leaks
        from profiles.merge import overlay

        data = self._bytes(path, mark)
        if data is None:
            return None
        tree, problems = read(data, str(path))
        self.problems += problems
        if tree is None:
            return None
        self.files.append((path, data))
        self.problems += leaks(tree)
        extends = tree.entries.pop("extends", None)
        if extends is None:
            return tree
        base_path = self._base(extends, path, (*children, path))
        base = self.chain(base_path, extends.node.mark, (*children, path)) if base_path else None
        if base is None:
            return None
        merged = overlay(base, tree)
        return merged if isinstance(merged, Branch) else None

    def _bytes(self, path: Path, mark: Mark) -> bytes | None:
        try:
            if path.exists() and not path.is_file() and not path.is_dir():
                self.say(mark, "", f"{path} is not a regular file.", "Copy it into one.")
                return None
            with path.open("rb") as stream:
                return stream.read(MAX_BYTES + 1)
        except FileNotFoundError:
            self.problems.append(_no_such(str(path) if mark.line else mark.file, mark))
        except IsADirectoryError:
            self.say(mark, "", f"{path} is a directory.", "Name the file in it.")
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            self.say(mark, "", f"{path} cannot be read: {reason}.")
        return None

    def _base(self, extends: Entry, path: Path, children: tuple[Path, ...]) -> Path | None:
        node = extends.node
        if not isinstance(node, Leaf) or not isinstance(node.value, str) or not node.value:
            self.say(node.mark, "extends", "`extends` names one profile.", "Write a built-in's name, or a file.")
            return None
        if node.value in builtin_names():
            base = BUILTIN / node.value / "profile.yaml"
        else:
            base = _absolute(node.value, path.parent)
            if not _is_file(base):
                self.problems.append(_no_such(node.value, node.mark, "extends"))
                return None
        same = [child for child in children if child.resolve() == base.resolve()]
        if same or len(children) >= MAX_EXTENDS:
            way = " → ".join(child.name for child in (*children, base))
            what = "go round in a circle" if same else f"are more than {MAX_EXTENDS} deep"
            self.say(node.mark, "extends", f"The `extends` {what}: {way}.", "A profile extends one that is finished.")
            return None
        return base

    # --- variables and defaults

    def completed(self, root: Branch, given: Mapping[str, str]) -> Branch:
        """The tree with variables and defaults worked in and their keys gone."""
        from profiles.merge import substituted

        entries = dict(root.entries)
        self.values = values = self._variables(entries.pop("variables", None), given)
        tree = substituted(Branch(root.mark, entries, root.size), values)
        entries = dict(tree.entries) if isinstance(tree, Branch) else {}
        defaults = entries.pop("defaults", None)
        for misplaced in ("source",):
            entry = entries.pop(misplaced, None)
            if entry is not None:
                self.say(
                    entry.mark, misplaced, f"`{misplaced}` is written by the console, not in a file.", "Remove it."
                )
        environments = entries.get("environments")
        if environments is not None and isinstance(environments.node, Branch):
            done = self._environments(environments.node, defaults)
            entries["environments"] = Entry("environments", environments.mark, done)
        elif defaults is not None and not isinstance(defaults.node, Branch):
            self._default_keys(defaults)
        return Branch(root.mark, entries, root.size)

    def _environments(self, node: Branch, defaults: Entry | None) -> Branch:
        from profiles.merge import overlay, substituted

        base = self._default_keys(defaults)
        done: dict[str, Entry] = {}
        for name, entry in node.entries.items():
            body = entry.node
            if isinstance(body, Branch):
                own = dict(body.entries)
                inherits = self._inherits(own.pop("inherit", None), name)
                body = Branch(body.mark, own, body.size)
                if inherits and base is not None:
                    body = overlay(base, body)
                body = self._placed(substituted(body, {"environment": name}))
            done[name] = Entry(name, entry.mark, body)
        return Branch(node.mark, done, node.size)

    def _placed(self, body: Node) -> Node:
        """An environment with its directory filled in everywhere, and the names in `urls` where addresses are used."""
        from profiles.merge import substituted

        if not isinstance(body, Branch):
            return body
        directory = body.get("directory")
        if isinstance(directory, Leaf) and isinstance(directory.value, str):
            body = substituted(body, {"directory": directory.value})
        urls = body.get("urls") if isinstance(body, Branch) else None
        if not isinstance(body, Branch) or not isinstance(urls, Branch):
            return body
        values = {
            name: entry.node.value
            for name, entry in urls.entries.items()
            if isinstance(entry.node, Leaf) and isinstance(entry.node.value, str)
        }
        entries = {
            key: Entry(key, entry.mark, substituted(entry.node, values) if key in _ADDRESSED else entry.node)
            for key, entry in body.entries.items()
        }
        return Branch(body.mark, entries, body.size)

    def _default_keys(self, defaults: Entry | None) -> Branch | None:
        if defaults is None:
            return None
        if isinstance(defaults.node, Branch):
            return defaults.node
        if not (isinstance(defaults.node, Leaf) and defaults.node.value is None):
            said = "`defaults` is a mapping of an environment's keys."
            self.say(defaults.node.mark, "defaults", said, "Write them below it, indented.")
        return None

    def _inherits(self, entry: Entry | None, name: str) -> bool:
        if entry is None:
            return True
        if isinstance(entry.node, Leaf) and isinstance(entry.node.value, bool):
            return entry.node.value
        self.say(entry.node.mark, f"environments.{name}.inherit", "`inherit` is true or false.", "Write true or false.")
        return True

    def _variables(self, entry: Entry | None, given: Mapping[str, str]) -> dict[str, str]:
        from profiles.findings import RUNTIME_VARIABLES

        values: dict[str, str] = {}
        missing: list[Entry] = []
        if entry is not None and not isinstance(entry.node, Branch):
            said = "`variables` is a mapping of names to texts."
            self.say(entry.node.mark, "variables", said, "Write name: text below it, indented.")
        elif entry is not None and isinstance(entry.node, Branch):
            for name, one in entry.node.entries.items():
                path = f"variables.{name}"
                if not _VARIABLE.fullmatch(name) or name in RUNTIME_VARIABLES:
                    said = f"A variable cannot be called `{name[:60]}`."
                    taken = "That name is given a value when it is used." if name in RUNTIME_VARIABLES else ""
                    self.say(one.mark, path, said, taken or "Use a-z, 0-9 and '_', beginning with a letter.")
                elif not isinstance(one.node, Leaf) or isinstance(one.node.value, bool):
                    self.say(one.node.mark, path, "The value of a variable is a text.", "Put quotes around it.")
                elif one.node.value is None and name not in given:
                    missing.append(one)
                elif one.node.value is not None:
                    values[name] = one.node.raw
        if missing:
            # Without them every place that uses one would be a mistake of its own.
            names = ", ".join(f"`{one.key}`" for one in missing)
            said = f"{names} {'has' if len(missing) == 1 else 'have'} no value here."
            self.say(missing[0].mark, "variables", said, "This profile is filled in by the command that uses it.")
            raise ProfileErrors(self.problems)
        return values | dict(given)

    # --- models and cross checks

    def validated(self, root: Branch, path: Path, builtin: str | None) -> Profile:
        """The profile of a complete tree. Raises ProfileErrors with everything found up to now."""
        from pydantic import ValidationError

        from profiles.crosscheck import findings
        from profiles.explain import explained, placed
        from profiles.models import Profile

        data = plain(root)
        silent = frozenset(problem.mark for problem in self.problems)
        profile: Profile | None = None
        try:
            profile = Profile.model_validate(data)
        except ValidationError as error:
            self.problems += explained(error.errors(include_url=False, include_input=False), root, silent)
        for found in findings(data):
            mark, keys, _ = placed(root, found.loc, found.key)
            problem = ProfileProblem(mark, ".".join(keys), found.wrong, found.right)
            if mark not in silent and problem not in self.problems:  # the models may have said it already
                self.problems.append(problem)
        lines = self._templates(data)
        if self.problems or profile is None:
            raise ProfileErrors(self.problems)
        profile = _with_lines(profile, lines)
        return profile.model_copy(update={"source": self._source(profile, path, builtin)})

    def _templates(self, data: Any) -> dict[tuple[str, str], tuple[FileValue, ...]]:
        """The lines of every environment file, by environment and name. Mistakes in the templates are noted."""
        from profiles.base import local_file
        from profiles.crosscheck import undeclared
        from profiles.envfiles import read_template
        from profiles.findings import mapping, texts

        found: dict[tuple[str, str], tuple[FileValue, ...]] = {}
        for environment, body in mapping(data, "environments").items():
            directory = mapping(body).get("directory")
            own = {"environment": environment, **({"directory": directory} if isinstance(directory, str) else {})}
            urls = {loc[-1]: text for loc, text in texts((), mapping(body, "urls")) if loc}
            values = {**self.values, **{str(name): text for name, text in urls.items()}, **own}
            for name, entry in mapping(body, "files").items():
                template = mapping(entry).get("template")
                if not isinstance(template, str) or not template.strip():
                    continue
                place = Path(str(local_file(template)))
                if not _is_file(place):
                    continue  # the cross checks say so
                content = self._bytes(place, Mark(str(place))) or b""
                self.templates[str(place)] = content
                try:
                    text = content.decode("utf-8")
                except UnicodeDecodeError:
                    self.say(Mark(str(place)), "", "This template is not UTF-8.", "Save it as UTF-8.")
                    continue
                path = f"environments.{environment}.files.{name}"
                entries, problems, secrets = read_template(text.removeprefix("\ufeff"), str(place), values, path)
                self.problems += problems
                for mark, secret in secrets:
                    for wrong in undeclared(data, secret.secret, secret.field):
                        self.say(mark, path, wrong.wrong, wrong.right)
                found[environment, name] = entries
        return found

    def _source(self, profile: Profile, path: Path, builtin: str | None) -> object:
        from profiles.models import ComposeStack, Source

        files = {str(each): data for each, data in self.files if builtin or not each.is_relative_to(BUILTIN)}
        for environment in profile.environments.values():
            if isinstance(environment.stack, ComposeStack):
                for upload in environment.stack.upload:
                    if builtin or not Path(upload).is_relative_to(BUILTIN):
                        files.setdefault(upload, self._upload(Path(upload)))
        for template, content in self.templates.items():
            if builtin or not Path(template).is_relative_to(BUILTIN):
                files.setdefault(template, content)
        if self.problems:
            raise ProfileErrors(self.problems)
        digest = hashlib.sha256()
        # An SSH configuration may run commands here (Match exec): who trusts a profile trusts it as it was then.
        configs = sorted({host.ssh_config for host in profile.hosts.values() if host.ssh_config})
        for data in (*files.values(), *(_content(Path(config)) for config in configs)):
            digest.update(len(data).to_bytes(8, "big"))
            digest.update(data)
        return Source(path=str(path), builtin=builtin, files=tuple(files), digest=digest.hexdigest())

    def _upload(self, path: Path) -> bytes:
        data = self._bytes(path, Mark(str(path)))
        if data is not None and len(data) > MAX_BYTES:
            self.say(Mark(str(path)), "", "This compose file is larger than 1 MiB.")
        return data or b""


def _with_lines(profile: Profile, lines: Mapping[tuple[str, str], tuple[FileValue, ...]]) -> Profile:
    """The profile with the lines of its environment files."""
    if not lines:
        return profile
    environments = {
        name: one.model_copy(
            update={
                "files": {
                    file: entry.model_copy(update={"entries": lines.get((name, file), ())})
                    for file, entry in one.files.items()
                }
            }
        )
        for name, one in profile.environments.items()
    }
    return profile.model_copy(update={"environments": environments})


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _content(path: Path) -> bytes:
    """What a file that may be missing holds, as far as a digest needs it; a file that is none holds nothing."""
    if not _is_file(path):
        return b""
    try:
        with path.open("rb") as stream:
            return stream.read(MAX_BYTES)
    except OSError:
        return b""

"""Looks whether the environment files on hosts are what the console would write there now. Names, never values.

Values are compared by their digests under a nonce that is drawn for each look: the host digests what stands in the
file, this machine digests what the keyring has, and neither sees the other's. Where the keyring is locked the names
are compared alone, and that is said.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Literal

from console.credentials.errors import CredentialError, CredentialMissing, KeyringLocked
from console.environment import FieldMissing
from console.hosts.command import Frozen, InputText, TemplateSecret
from console.hosts.template import filled_in, value_of
from console.stacks.base import StackError, why
from console.stacks.envfiles import FileSeen, FileTemplate, Line, content, digest_in, look, seen
from console.text.envfile import CannotBeWritten
from console.text.secret import LABELS, labelled
from profiles.envfiles import is_placeholder

if TYPE_CHECKING:
    from console.environment import Environment

__all__ = ["FileState", "KeyState", "fingerprints_of", "look_at", "unusable"]


class KeyState(Frozen):
    """One setting: how it stands on the host, beside what would be written now."""

    key: str
    now: Literal["same", "differs", "missing", "extra", "unknown"]
    """`missing`: only the template has it; `extra`: only the host has it; `unknown`: the keyring is locked."""
    source: str = ""
    """What the template gives it: its text, with `<NAME>` for a credential."""
    was: str = ""
    """The credential whose other value the host has: `jwt#previous`; "" where it is none that is known."""
    placeholder: bool = False
    """Whether the host has a placeholder there."""


class FileState(Frozen):
    """One file on one host."""

    host: str
    template: FileTemplate
    seen: FileSeen
    keys: tuple[KeyState, ...] = ()
    compared: bool = True
    """False: the keyring is locked, so that only names were compared."""

    @property
    def mode_differs(self) -> bool:
        """Whether it is there with another mode."""
        return self.seen.there and bool(self.seen.mode) and self.seen.mode != self.template.mode

    @property
    def owner_differs(self) -> bool:
        """Whether it is there and belongs to somebody else than the profile says."""
        wanted = self.template.owner
        if not wanted or not self.seen.there or not self.seen.owner:
            return False
        return self.seen.owner != wanted if ":" in wanted else self.seen.owner.partition(":")[0] != wanted

    @property
    def changed(self) -> bool:
        """Whether writing it now would change it, as far as that is known."""
        return (
            not self.seen.there
            or self.mode_differs
            or self.owner_differs
            or any(key.now in ("differs", "missing", "extra") for key in self.keys)
        )

    def drift(self) -> str:
        """What differs, as a sentence without a name of a host; "" where nothing does, or nothing is known."""
        path = self.template.path
        if self.seen.problem:
            return f"{path} {self.seen.problem}."
        if not self.seen.there:
            return f"{path} is not there."
        said = []
        for word, keys in (
            ("differs", [key.key for key in self.keys if key.now == "differs" and not key.placeholder]),
            ("is missing", [key.key for key in self.keys if key.now == "missing"]),
            ("is not in the template", [key.key for key in self.keys if key.now == "extra"]),
            ("has a placeholder", [key.key for key in self.keys if key.placeholder]),
        ):
            if keys:
                said.append(f"{', '.join(keys)} {word if len(keys) == 1 else _PLURAL[word]}")
        if self.mode_differs:
            said.append(f"its mode is {self.seen.mode}, not {self.template.mode}")
        if self.owner_differs:
            said.append(f"it belongs to {self.seen.owner}, not {self.template.owner}")
        return f"{path}: {'; '.join(said)}." if said else ""


_PLURAL = {
    "differs": "differ",
    "is missing": "are missing",
    "is not in the template": "are not in the template",
    "has a placeholder": "have placeholders",
}


def look_at(
    environment: Environment, files: dict[str, tuple[FileTemplate, ...]] | None = None, *, values: bool = True
) -> tuple[FileState, ...]:
    """Every environment file of every host that takes part, hosts side by side.

    `files`: by host, instead of the profile's. `values`: False compares names alone, and asks for no credential.
    Raises HostError, StackError, KeyringLocked (with `values`), CredentialMissing, FieldMissing.
    """
    spec = environment.stack.spec
    wanted = {
        host: tuple(one for one in (spec.env_files if files is None else files.get(host, ())) if one.on(host))
        for host in environment.hosts
    }
    hosts = [host for host, some in wanted.items() if some]
    if not hosts:
        return ()
    if values:
        for host in hosts:  # before anything is asked of a host: a locked keyring is asked for once, and here
            for file in wanted[host]:
                for line in file.lines:
                    value_of(line.value(host, file.readers), environment.value)
    with ThreadPoolExecutor(min(8, len(hosts)), thread_name_prefix="envfiles") as pool:
        looked = pool.map(lambda host: _host(environment, host, wanted[host], values), hosts)
        return tuple(state for states in looked for state in states)


def _host(environment: Environment, host: str, files: Sequence[FileTemplate], values: bool) -> list[FileState]:
    nonce = secrets.token_hex(16)
    result = environment.hosts[host].run(look(files, nonce, environment.stack.spec.become(host)))
    if result.rc != 0:
        raise StackError(f"The environment files on {host} could not be looked at: {why(result)}.")
    found = seen(result.text())
    states = []
    for file in files:
        one = found.get(file.name)
        if one is None:
            raise StackError(
                f"The environment file {file.path} on {host} could not be looked at: nothing was said of it."
            )
        keys = tuple(_keys(environment, host, file, one, nonce, values)) if one.there and not one.problem else ()
        if not one.there:
            keys = tuple(KeyState(key=line.key, now="missing", source=shown(line, host)) for line in file.lines)
        states.append(FileState(host=host, template=file, seen=one, keys=keys, compared=values))
    return states


def _keys(
    environment: Environment, host: str, file: FileTemplate, one: FileSeen, nonce: str, values: bool
) -> list[KeyState]:
    states = []
    for line in file.lines:
        there = line.key in one.keys
        state: Literal["same", "differs", "missing", "unknown"] = "missing"
        was = ""
        if there and not values and line.secrets:
            state = "unknown"
        elif there:
            wanted = digest_in(nonce, line.key, value_of(line.value(host, file.readers), environment.value))
            state = "same" if one.keys[line.key] == wanted else "differs"
            if state == "differs":
                was = _was(environment, host, file, line, one.keys[line.key], nonce)
        placeholder = line.key in one.placeholders
        states.append(KeyState(key=line.key, now=state, source=shown(line, host), was=was, placeholder=placeholder))
    known = set(file.keys)
    states += [
        KeyState(key=key, now="extra", placeholder=key in one.placeholders) for key in one.keys if key not in known
    ]
    return states


def _was(environment: Environment, host: str, file: FileTemplate, line: Line, there: str, nonce: str) -> str:
    """Which other value of its credential the host has, if it is one that the keyring still knows."""
    for secret in line.secrets:
        for label in LABELS:
            if label == secret.label:
                continue
            parts = tuple(
                part.model_copy(update={"label": label})
                if isinstance(part, TemplateSecret) and part.name == secret.name
                else part
                for part in line.parts
            )
            other = line.model_copy(update={"parts": parts})
            try:
                value = value_of(other.value(host, file.readers), environment.value)
            except (CredentialError, FieldMissing):
                continue
            if value and digest_in(nonce, line.key, value) == there:
                return labelled(secret.name, label)
    return ""


def shown(line: Line, host: str) -> str:
    """What a line's value is put together of, for a person: `postgres://app:<db password>@db/app`.

    Not as `KEY=…`, which would be masked like a secret that is written out.
    """
    return "".join(
        part.text
        if isinstance(part, InputText)
        else f"<{' '.join(word for word in (labelled(part.name, part.label), part.field or '') if word)}>"
        if isinstance(part, TemplateSecret)
        else host
        for part in line.parts
    )


def fingerprints_of(environment: Environment, files: Sequence[FileTemplate]) -> dict[str, str]:
    """Each credential that the files need to its keyed fingerprint: what is shown, and what binds a plan to values."""
    return {word: environment.fingerprint(word) for file in files for word in file.credentials}


def unusable(environment: Environment, files: Sequence[FileTemplate]) -> tuple[str, ...]:
    """Why files cannot be written on some host with today's credentials: a sentence for each reason. Reads the keyring.

    Raises KeyringLocked.
    """
    sentences: list[str] = []
    for host in environment.hosts:
        for file in files:
            if not file.on(host):
                continue
            for line in file.lines:
                try:
                    filled_in(content((file.model_copy(update={"lines": (line,)}),), host), environment.value)
                    value = value_of(line.value(host, file.readers), environment.value)
                    if line.secrets and is_placeholder(value):
                        sentences.append(
                            f"{line.key} of {file.path} would be a placeholder: set the credential "
                            f"{line.secrets[0].name} to its real value."
                        )
                    elif any(not environment.value(one) for one in line.secrets if one.missing == "refused"):
                        sentences.append(f"{line.key} of {file.path} would be empty.")
                except KeyringLocked:
                    raise
                except CannotBeWritten as error:
                    sentences.append(f"{line.key} of {file.path}: {error}")
                except (CredentialMissing, FieldMissing) as error:
                    sentences.append(f"{line.key} of {file.path}: {error}")
    return tuple(dict.fromkeys(sentences))

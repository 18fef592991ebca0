"""Looks whether the environment files on hosts are what the console would write there now. Names, never values.

Values are compared by their digests under a nonce that is drawn for each look: the host digests what stands in the
file, this machine digests what the keyring has, and neither sees the other's. Where the keyring is locked the names
are compared alone, and that is said.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, Literal

from console.credentials.errors import CredentialError, CredentialMissing, KeyringLocked
from console.environment import FieldMissing
from console.environment import value_of as in_keyring
from console.hosts.command import Frozen, InputSecret, InputText, TemplateSecret
from console.hosts.template import Fetch, filled_in, value_of
from console.stacks.base import StackError, why
from console.stacks.envfiles import FileSeen, FileTemplate, Line, content, digest_in, look, seen, whole_in
from console.text.envfile import CannotBeWritten
from console.text.secret import LABELS, labelled
from profiles.envfiles import is_placeholder

if TYPE_CHECKING:
    from console.environment import Environment

__all__ = ["FileState", "KeyState", "fingerprints_of", "look_at", "read_once", "unusable"]


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
    verbatim: bool = True
    """False: not byte for byte what would be written. True also where that cannot be known."""

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
        """Whether writing it now would change it, as far as that is known: by bytes, as `written` has it on the host.

        What quotes and comments mean to each reader is not decided here, so other ones are a change.
        """
        return (
            not self.seen.there
            or not self.verbatim
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
        if not said and not self.verbatim:
            said.append("it has other comments, quotes or order of lines than it is written with")
        return f"{path}: {'; '.join(said)}." if said else ""


_PLURAL = {
    "differs": "differ",
    "is missing": "are missing",
    "is not in the template": "are not in the template",
    "has a placeholder": "have placeholders",
}


def look_at(
    environment: Environment,
    files: dict[str, tuple[FileTemplate, ...]] | None = None,
    *,
    values: bool = True,
    fetch: Fetch | None = None,
) -> tuple[FileState, ...]:
    """Every environment file of every host that takes part, hosts side by side.

    `files`: by host, instead of the profile's. `values`: False compares names alone, and asks for no credential.
    `fetch`: what gives the values, where somebody has read them already (`read_once`).
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
    given = (fetch or read_once(environment)) if values else None
    if given is not None:
        for host in hosts:  # before anything is asked of a host: a locked keyring is asked for once, and here
            for file in wanted[host]:
                for line in file.lines:
                    value_of(line.value(host, file.readers), given)
    with ThreadPoolExecutor(min(8, len(hosts)), thread_name_prefix="envfiles") as pool:
        looked = pool.map(lambda host: _host(environment, host, wanted[host], given), hosts)
        return tuple(state for states in looked for state in states)


def read_once(environment: Environment) -> Fetch:
    """Gives values of the keyring, each read once, be it there or not: every host and every file asks for the same."""

    @cache
    def read(word: str) -> str | CredentialMissing:
        try:
            return environment.secret(word)
        except CredentialMissing as error:
            return error

    def secret(word: str) -> str:
        found = read(word)
        if isinstance(found, CredentialMissing):
            raise CredentialMissing(*found.args)
        return found

    return lambda one: in_keyring(secret, one)


def _host(environment: Environment, host: str, files: Sequence[FileTemplate], fetch: Fetch | None) -> list[FileState]:
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
        readable = one.there and not one.problem
        verbatim = _verbatim(host, file, one, nonce, fetch) if readable and fetch is not None else None
        keys = tuple(_keys(host, file, one, nonce, fetch, same=verbatim is True)) if readable else ()
        if not one.there:
            keys = tuple(KeyState(key=line.key, now="missing", source=shown(line, host)) for line in file.lines)
        compared = fetch is not None
        states.append(
            FileState(host=host, template=file, seen=one, keys=keys, compared=compared, verbatim=verbatim is not False)
        )
    return states


def _verbatim(host: str, file: FileTemplate, one: FileSeen, nonce: str, fetch: Fetch) -> bool | None:
    """Whether it is byte for byte what would be written; None: it cannot be written, and `unusable` says why."""
    try:
        return one.whole == whole_in(nonce, file, host, fetch)
    except CannotBeWritten:
        return None


def _keys(
    host: str, file: FileTemplate, one: FileSeen, nonce: str, fetch: Fetch | None, *, same: bool
) -> list[KeyState]:
    """Each setting. `same`: the whole file is, whatever the look made of its quotes."""
    if same:
        return [
            KeyState(key=line.key, now="same", source=shown(line, host), placeholder=line.key in one.placeholders)
            for line in file.lines
        ]
    states = []
    for line in file.lines:
        there = line.key in one.keys
        state: Literal["same", "differs", "missing", "unknown"] = "missing"
        was = ""
        if there and fetch is None and line.secrets:
            state = "unknown"
        elif there:
            wanted = digest_in(nonce, line.key, value_of(line.value(host, file.readers), fetch or _no_secret))
            state = "same" if one.keys[line.key] == wanted else "differs"
            if state == "differs" and fetch is not None:
                was = _was(host, file, line, one.keys[line.key], nonce, fetch)
        placeholder = line.key in one.placeholders
        states.append(KeyState(key=line.key, now=state, source=shown(line, host), was=was, placeholder=placeholder))
    known = set(file.keys)
    states += [
        KeyState(key=key, now="extra", placeholder=key in one.placeholders) for key in one.keys if key not in known
    ]
    return states


def _no_secret(one: InputSecret) -> str:
    raise AssertionError(f"{one.credential} is asked for while the keyring is locked")


def _was(host: str, file: FileTemplate, line: Line, there: str, nonce: str, fetch: Fetch) -> str:
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
                value = value_of(other.value(host, file.readers), fetch)
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
    words = dict.fromkeys(word for file in files for word in file.credentials)
    return {word: environment.fingerprint(word) for word in words}


def unusable(environment: Environment, files: Sequence[FileTemplate], fetch: Fetch | None = None) -> tuple[str, ...]:
    """Why files cannot be written on some host with today's credentials: a sentence for each reason. Reads the keyring.

    `fetch`: as for `look_at`. Raises KeyringLocked.
    """
    fetch = fetch or read_once(environment)
    sentences: list[str] = []
    for host in environment.hosts:
        for file in files:
            if not file.on(host):
                continue
            for line in file.lines:
                try:
                    filled_in(content((file.model_copy(update={"lines": (line,)}),), host), fetch)
                    value = value_of(line.value(host, file.readers), fetch)
                    if line.secrets and is_placeholder(value):
                        sentences.append(
                            f"{line.key} of {file.path} would be a placeholder: set the credential "
                            f"{line.secrets[0].name} to its real value."
                        )
                    elif any(not fetch(one) for one in line.secrets if one.missing == "refused"):
                        sentences.append(f"{line.key} of {file.path} would be empty.")
                except KeyringLocked:
                    raise
                except CannotBeWritten as error:
                    sentences.append(f"{line.key} of {file.path}: {error}")
                except (CredentialMissing, FieldMissing) as error:
                    sentences.append(f"{line.key} of {file.path}: {error}")
    return tuple(dict.fromkeys(sentences))

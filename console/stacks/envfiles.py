"""Environment files that the console writes on hosts: their templates as data, and the commands that look and change.

A template holds texts and names of credentials, never a value, so that it may stand in plans and releases. Its values
are put in by the runner (`InputTemplate`), go to the host on standard input, and are read back from there by nobody: a
look compares on the host, and gives names of settings and digests that mean nothing without this look's own nonce.

While a run is open, `kept/` in the state directory holds what each file was before, 0600, and whose run keeps it: that
is what an undo puts back, by value. Once it is closed that is gone, and an undo fills in the old template with today's
credentials.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Annotated, Literal

from pydantic import Field

from console.hosts.command import Command, Frozen, InputTemplate, InputText, TemplateSecret, TemplateValue
from console.hosts.template import Fetch, filled_in
from console.stacks.envfile_scripts import (
    CHECK_SCRIPT,
    FORGET_SCRIPT,
    KEEP_SCRIPT,
    LOOK_SCRIPT,
    RESTORE_SCRIPT,
    WRITE_SCRIPT,
)
from console.stacks.scripts import sections
from console.text.envfile import DEFAULT_READERS, Reader

WRITE_S = 60.0
"""Deadline of a command that only writes a few small files."""
ABSENT = "absent"
"""Stands for the fingerprint of a file that is not there."""


class HostName(Frozen):
    """Where the host's name in the profile stands in a value."""

    kind: Literal["host"] = "host"


class Line(Frozen):
    """One setting of a template."""

    key: str
    parts: tuple[Annotated[InputText | TemplateSecret | HostName, Field(discriminator="kind")], ...] = ()

    @property
    def secrets(self) -> tuple[TemplateSecret, ...]:
        """The credentials in its value."""
        return tuple(part for part in self.parts if isinstance(part, TemplateSecret))

    def value(self, host: str, readers: Sequence[Reader]) -> TemplateValue:
        """Its value on one host."""
        parts = tuple(InputText(text=host) if isinstance(part, HostName) else part for part in self.parts)
        return TemplateValue(parts=parts, readers=tuple(readers))


class FileTemplate(Frozen):
    """An environment file of one environment, as a profile or a release has it."""

    name: str
    path: str
    """Absolute, on the host."""
    mode: str = "0600"
    owner: str = ""
    """USER or USER:GROUP; "": whose it is, else the account that deploys."""
    hosts: tuple[str, ...] = ()
    """Hosts that have it; none named: all of them."""
    services: tuple[str, ...] = ()
    """Services that read it when they start."""
    readers: tuple[Reader, ...] = DEFAULT_READERS
    lines: tuple[Line, ...] = ()

    def on(self, host: str) -> bool:
        """Whether this host has it."""
        return not self.hosts or host in self.hosts

    @property
    def keys(self) -> tuple[str, ...]:
        """Names of its settings, in order."""
        return tuple(line.key for line in self.lines)

    @property
    def credentials(self) -> tuple[str, ...]:
        """What has to be in the keyring for it: `jwt`, `jwt#previous`. What may be missing is not named."""
        secrets = (one for line in self.lines for one in line.secrets)
        return tuple(dict.fromkeys(one.credential for one in secrets if one.missing == "refused"))

    @property
    def names(self) -> tuple[str, ...]:
        """Every credential that it names, without labels."""
        return tuple(dict.fromkeys(one.name for line in self.lines for one in line.secrets))


class FileSeen(Frozen):
    """What a look found of one file on one host: names, never values."""

    name: str
    problem: str = ""
    """Why it cannot be used as it is, as the end of a sentence: `is a symbolic link`."""
    there: bool = True
    mode: str = ""
    owner: str = ""
    """USER:GROUP."""
    fingerprint: str = ABSENT
    """Of the whole file, salted with the host's machine-id."""
    whole: str = ""
    """Digest of the whole file under the look's nonce."""
    keys: dict[str, str] = Field(default_factory=dict)
    """Name of each setting to the digest of its value under the look's nonce; "" where it goes over several lines."""
    placeholders: tuple[str, ...] = ()


# --- looking -----------------------------------------------------------------------------------------------------


def look(files: Sequence[FileTemplate], nonce: str, become: Literal["none", "sudo"] = "none") -> Command:
    """Look at files on a host. `nonce`: a fresh random word, so that a digest is worth nothing to anybody else."""
    words = [
        word
        for file in files
        for word in (file.name, file.path, "plain" if set(file.readers) == {"docker"} else "quoted")
    ]
    argv = ("sh", "-c", LOOK_SCRIPT, "quarterdeck-envlook", nonce, *words)
    return Command(argv=argv, become=become, deadline_s=30.0)


def seen(text: str) -> dict[str, FileSeen]:
    """What `look` printed, by the name of the file. Pure."""
    found: dict[str, FileSeen] = {}
    for title, body in sections(text):
        kind, _, name = title.partition(" ")
        if kind != "envfile":
            continue
        values: dict[str, str] = {}
        keys: dict[str, str] = {}
        placeholders: list[str] = []
        for line in body.splitlines():
            word, _, rest = line.partition(" ")
            if word == "key":
                key, _, digest = rest.partition(" ")
                keys[key] = digest.strip()
            elif word == "placeholder":
                placeholders.append(rest)
            else:
                values[word] = rest
        mode, _, owner = values.get("mode", "").partition(" ")
        found[name] = FileSeen(
            name=name,
            problem=values.get("problem", ""),
            there="absent" not in values,
            mode=mode.zfill(4) if mode else "",
            owner=owner,
            fingerprint=values.get("fingerprint", ABSENT).split(" ")[0],
            whole=values.get("whole", ""),
            keys=keys,
            placeholders=tuple(placeholders),
        )
    return found


def digest_in(nonce: str, key: str, value: str) -> str:
    """What `look` prints for a setting with this value."""
    return hashlib.sha256(f"{nonce} {key}={value}".encode("utf-8", "surrogatepass")).hexdigest()


# --- changing ----------------------------------------------------------------------------------------------------


def content(files: Iterable[FileTemplate], host: str) -> InputTemplate:
    """Standard input of `write`, `restore`, `written`: each file after a heading, its lines with a `|` before them."""
    parts: list[InputText | TemplateSecret | TemplateValue] = []
    for file in files:
        parts.append(InputText(text=f"@@qd:envfile {file.name}\n"))
        for line in file.lines:
            parts += [InputText(text=f"|{line.key}="), line.value(host, file.readers), InputText(text="\n")]
    return InputTemplate(parts=tuple(parts))


def whole_in(nonce: str, file: FileTemplate, host: str, fetch: Fetch) -> str:
    """What `look` prints of a file that is what `write` writes. Raises CannotBeWritten, and what `fetch` raises."""
    values = [filled_in(InputTemplate(parts=(line.value(host, file.readers),)), fetch) for line in file.lines]
    lines = [f"{line.key}={value}\n" for line, value in zip(file.lines, values, strict=True)]
    return hashlib.sha256("".join([f"{nonce}\n", *lines]).encode()).hexdigest()


def _words(files: Iterable[FileTemplate]) -> tuple[str, ...]:
    return tuple(
        word for file in files for word in (file.name, file.path, file.mode, file.owner or "-", str(len(file.lines)))
    )


def keep(state: str, files: Sequence[tuple[FileTemplate, str]], become: Literal["none", "sudo"] = "none") -> Command:
    """Keep what the files are now, 0600, below the state directory. Each is given with its fingerprint when planning.

    A file that is another one since ends it, with nothing changed. What other runs left there is removed.
    """
    words = [word for file, fingerprint in files for word in (file.name, file.path, fingerprint)]
    argv = ("sh", "-c", KEEP_SCRIPT, "quarterdeck-envkeep", state, *words)
    return Command(argv=argv, writes=True, become=become, deadline_s=WRITE_S)


def forget(state: str, become: Literal["none", "sudo"] = "none") -> Command:
    """Remove what was kept."""
    argv = ("sh", "-c", FORGET_SCRIPT, "quarterdeck-envforget", state)
    return Command(argv=argv, writes=True, become=become, deadline_s=WRITE_S)


def write(
    files: Sequence[FileTemplate], host: str, said: str = "", become: Literal["none", "sudo"] = "none"
) -> Command:
    """Write the files: aside with their mode and owner, to the disk, then renamed.

    `said`: what it prints when it is done; names the fingerprints of the credentials, which so are part of the plan.
    """
    argv = ("sh", "-c", WRITE_SCRIPT, "quarterdeck-envwrite", said, *_words(files))
    return Command(argv=argv, stdin=content(files, host), writes=True, become=become, deadline_s=WRITE_S)


def written(files: Sequence[FileTemplate], host: str, become: Literal["none", "sudo"] = "none") -> Command:
    """Are the files as the templates have them, with their modes? Exit code 0 if so."""
    argv = ("sh", "-c", CHECK_SCRIPT, "quarterdeck-envcheck", *_words(files))
    return Command(argv=argv, stdin=content(files, host), become=become, deadline_s=20.0)


def restore(
    state: str,
    files: Sequence[FileTemplate],
    before: Sequence[FileTemplate],
    host: str,
    become: Literal["none", "sudo"] = "none",
) -> Command:
    """Put back what was kept. Where it is not kept any more: `before`, the same files by the old templates, filled in.

    A file that has no old template is then left as it is, which is told, with exit code 1.
    """
    old = {file.name: file for file in before}
    known = tuple(old[file.name] for file in files if file.name in old)
    words: list[str] = []
    for file in files:
        template = old.get(file.name)
        lines = str(len(template.lines)) if template else "-"
        words += [file.name, file.path, (template or file).mode, (template or file).owner or "-", lines]
    argv = ("sh", "-c", RESTORE_SCRIPT, "quarterdeck-envrestore", state, *words)
    stdin = content(known, host) if known else None
    return Command(argv=argv, stdin=stdin, writes=True, become=become, deadline_s=WRITE_S)

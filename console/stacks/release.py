"""Releases: what is or was live, kept on each host in `.quarterdeck/releases/<id>/`, and read back from there.

    release.json     what was planned; never changed after it was written
    override.yaml    what our compose stacks add to the user's files
    files/           the compose files as they were used
    by.json          a copy of the lock's owner: who, from where, which run, why, since when
    schema.before, schema.after, schema.known     what the migration commands printed
    env.json         templates of the environment files that the console writes, as they are used with it
    verified         RFC 3339 time by the host's clock: healthy and smoke-tested
    undone           the same: taken back, so never a release to go back to
    level.HOST       the same: HOST, which was left out of it, has it as well by now

Beside the journal of the run that made it, `.quarterdeck/runs/<run>/without` names hosts that were left out of that run
after it had begun.

Each later fact is a file of its own, renamed into place, so that no writer has to read, change and rewrite a record
and a crash between two of them loses neither. Nothing in them is a secret: of the environment file only the names of
its keys are kept, and a fingerprint salted with the host's machine-id, which a reader elsewhere cannot test guesses
against.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from pydantic import Field, TypeAdapter, ValidationError

from console.hosts.command import Command, Frozen, InputText
from console.stacks.base import QUICK_S, Ground, Live, StackError, why
from console.stacks.envfiles import FileTemplate
from console.stacks.scripts import (
    MARK_SCRIPT,
    NOTE_SCRIPT,
    READ_RELEASES,
    UNMARK_SCRIPT,
    WRITE_SCRIPT,
    sections,
)

if TYPE_CHECKING:
    from console.hosts.base import Host

RELEASE_ID = re.compile(r"^r([1-9][0-9]{0,8})$")
OVERRIDE = "override.yaml"
ENV_FILES = "env.json"
LEVEL = "level."
"""Begins the name of the mark that says: this host, which was left out, has the release by now."""


_TEMPLATES: TypeAdapter[tuple[FileTemplate, ...]] = TypeAdapter(tuple[FileTemplate, ...])


class StoredFile(Frozen):
    """A compose file as used: `name` below `releases/<id>/files/`, where it came from, and its SHA-256."""

    name: str
    origin: str
    sha256: str
    upload: bool = False


class Schema(Frozen):
    """What a release's run found out about the database. None: not asked."""

    before: tuple[str, ...] | None = None
    after: tuple[str, ...] | None = None
    known: tuple[str, ...] | None = None
    """Every revision that the release's own image knows."""


class Release(Frozen):
    """One release of one environment, as one host has it."""

    id: str = Field(pattern=RELEASE_ID.pattern)
    environment: str
    candidate: str
    """What was asked for: a tag, `@staging`, digests, or `what was live` for a baseline."""
    action: str
    project: str
    images: dict[str, str]
    """Service to `repo@sha256:…`; to a directory and its digest in a process stack."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Service to the release named by its label: an older one where the image did not change, so it keeps running."""
    files: tuple[StoredFile, ...] = ()
    commands: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Service to the words that start it, where no file says so (process stack)."""
    env_keys: tuple[str, ...] = ()
    env_fingerprint: str = ""
    of: str | None = None
    """The release that a rollback went back to."""
    notes: str = ""
    without: tuple[str, ...] = ()
    """Hosts of the environment that were left out by name, of its plan or of its run since: they are behind until they
    have it."""
    # What later files add; not part of release.json.
    database: Schema = Schema()
    run: str = ""
    who: str = ""
    when: str = ""
    verified: str | None = None
    undone: str | None = None
    level: tuple[str, ...] = ()
    """Hosts of `without` that have it by now."""
    env_files: tuple[FileTemplate, ...] = ()
    """Templates of its environment files: texts and names of credentials, never a value. A file of its own."""

    @property
    def number(self) -> int:
        """The 12 of r12."""
        return int(self.id[1:])

    def shown(self) -> str:
        """How people name it: `r12 (1.4.0)`."""
        return f"{self.id} ({self.candidate})"

    def planned(self) -> str:
        """The text of release.json: only what was known when planning."""
        later = {"database", "run", "who", "when", "verified", "undone", "level", "env_files"}
        # A console that knows nothing of hosts that are left out, or of commands, can read every record without them.
        unused = {name for name in ("without", "commands") if not getattr(self, name)}
        kept = self.model_dump(mode="json", exclude=later | unused)
        return json.dumps(kept, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def release_dir(state: str, release: str) -> str:
    """The directory of a release on a host. Raises ValueError for an id that could leave the directory."""
    if not RELEASE_ID.fullmatch(release):
        raise ValueError(f"{release!r} is not the id of a release")
    return f"{state}/releases/{release}"


def next_id(releases: Iterable[Release]) -> str:
    """The id after the highest one of `releases`, which may come from several hosts."""
    return f"r{max((release.number for release in releases), default=0) + 1}"


def merged(copies: Iterable[Iterable[Release]]) -> tuple[Release, ...]:
    """Releases that any host knows, oldest first, each once; a copy is what one host has on record.

    A release counts as verified only where every host that has it says so, and as undone where any host says so.
    """
    found: dict[str, Release] = {}
    for copy in copies:
        for release in copy:
            first = found.setdefault(release.id, release)
            if first.verified and not release.verified:
                found[release.id] = first.model_copy(update={"verified": None})
            if release.undone and not first.undone:
                found[release.id] = found[release.id].model_copy(update={"undone": release.undone})
            if first.database == Schema() and release.database != Schema():
                found[release.id] = found[release.id].model_copy(update={"database": release.database})
            if missed := [name for name in release.level if name not in found[release.id].level]:
                level = (*found[release.id].level, *missed)
                found[release.id] = found[release.id].model_copy(update={"level": level})
    return tuple(sorted(found.values(), key=lambda release: release.number))


def verified(releases: Iterable[Release]) -> tuple[Release, ...]:
    """Those to which one may go back: verified and not undone, newest first."""
    return tuple(
        sorted((one for one in releases if one.verified and not one.undone), key=lambda one: one.number, reverse=True)
    )


def retained(releases: Iterable[Release], keep: int, also: Iterable[str] = ()) -> tuple[Release, ...]:
    """The releases that stay: the newest `keep` verified ones and those named in `also`, newest first."""
    every = tuple(releases)
    named = {release.id for release in verified(every)[:keep]} | set(also)
    return tuple(sorted((one for one in every if one.id in named), key=lambda one: one.number, reverse=True))


def place(live: Live, releases: Sequence[Release]) -> Live:
    """`live` with the release that it is, or with what differs from the last one, as sentences.

    What is live is a release if every service that the release names runs the image it names. Of several such, the
    one that a label names wins, else the newest. The last release is the newest one that was not undone.
    """
    running = live.images
    labels = {one.release for one in live.services if one.release}
    matching = [
        release
        for release in releases
        if release.images
        and not release.undone
        and all(running.get(name) == ref for name, ref in release.images.items())
    ]
    if matching:
        best = max(matching, key=lambda release: (release.id in labels, release.number))
        return live.model_copy(update={"release": best.id, "differs": ()})
    last = max(
        (one for one in releases if not one.undone), key=lambda one: (bool(one.verified), one.number), default=None
    )
    if last is None:
        return live.model_copy(update={"release": None, "differs": ()})
    sentences = []
    for name, ref in sorted(last.images.items()):
        service = live.service(name)
        if service is None:
            sentences.append(f"{name} is not there; the last release, {last.shown()}, has {short(ref)}.")
        elif service.runs != ref:
            since = f" since {service.since}" if service.since else ""
            by = f" (labelled {service.release})" if service.release else " and nothing of ours started it"
            sentences.append(
                f"{name} runs {short(service.runs)}{since}{by}; the last release, {last.shown()}, has {short(ref)}."
            )
    return live.model_copy(update={"release": None, "differs": tuple(sentences)})


def short(reference: str) -> str:
    """An image reference that fits a line: the digest cut to 12 digits; of a directory (process stack) its name."""
    if reference.startswith("/"):
        return reference.rstrip("/").rpartition("/")[2]
    return re.sub(r"sha256:([0-9a-f]{12})[0-9a-f]{52}", r"sha256:\1", reference)


# --- reading -----------------------------------------------------------------------------------------------------


def read_releases(host: Host, state: str) -> tuple[Release, ...]:
    """All releases recorded on a host, oldest first, in one round trip. Raises HostError, StackError."""
    command = Command(argv=("sh", "-c", READ_RELEASES, "quarterdeck-releases", state), deadline_s=20)
    result = host.run(command)
    if result.rc != 0:
        raise StackError(f"The releases in {state} on {host.name} could not be read: {why(result)}.")
    return parse_releases(result.text(), where=f"{host.name}:{state}")


def parse_releases(text: str, where: str) -> tuple[Release, ...]:
    """Releases from what `READ_RELEASES` printed. Raises StackError, naming the file, for a broken record."""
    found: dict[str, dict[str, str]] = {}
    left: dict[str, tuple[str, ...]] = {}
    for title, body in sections(text):
        kind, _, rest = title.partition(" ")
        if kind == "left":
            left[rest] = tuple(body.split())
        if kind == "release":
            name, _, file = rest.partition(" ")
            if RELEASE_ID.fullmatch(name):
                found.setdefault(name, {})[file] = body
    releases = []
    for name, files in found.items():
        if "release.json" not in files:
            continue
        release = _release(name, files, where)
        since = [host for host in left.get(release.run, ()) if host not in release.without]
        releases.append(release.model_copy(update={"without": (*release.without, *since)}) if since else release)
    return tuple(sorted(releases, key=lambda release: release.number))


def _release(name: str, files: Mapping[str, str], where: str) -> Release:
    path = f"{where}/releases/{name}/release.json"
    try:
        release = Release.model_validate_json(files["release.json"])
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise StackError(
            f"The record {path} cannot be read: {place}: {first['msg']}.",
            (f"look at {path}; a newer console may have written it, or somebody edited it",),
        ) from None
    if release.id != name:
        raise StackError(f"The record {path} calls itself {release.id}.", (f"put the directory {name} aside",))
    owner: dict[str, object] = {}
    try:
        loaded = json.loads(files.get("by.json", "{}"))
        owner = loaded if isinstance(loaded, dict) else {}
    except (ValueError, RecursionError):
        owner = {}

    def word(*keys: str) -> str:
        return next((value for key in keys if isinstance(value := owner.get(key), str)), "")

    return release.model_copy(
        update={
            "database": Schema(
                before=current_revisions(files["schema.before"]) if "schema.before" in files else None,
                after=current_revisions(files["schema.after"]) if "schema.after" in files else None,
                known=known_revisions(files["schema.known"]) if "schema.known" in files else None,
            ),
            "run": word("run"),
            "who": word("who", "user", "owner"),
            "when": files.get("written", "").strip(),
            "verified": files["verified"].strip() if "verified" in files else None,
            "undone": files["undone"].strip() if "undone" in files else None,
            "env_files": _env_files(files.get("env.json", ""), f"{where}/releases/{name}/{ENV_FILES}"),
            "level": tuple(sorted(file[len(LEVEL) :] for file in files if file.startswith(LEVEL))),
        }
    )


def _env_files(text: str, path: str) -> tuple[FileTemplate, ...]:
    if not text.strip():
        return ()
    try:
        return _TEMPLATES.validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        raise StackError(
            f"The record {path} cannot be read: {first['msg']}.",
            (f"look at {path}; a newer console may have written it, or somebody edited it",),
        ) from None


def env_text(files: Sequence[FileTemplate]) -> str:
    """The text of `env.json`: read by this program alone, and by every look at the releases."""
    kept = [file.model_dump(mode="json") for file in files]
    return json.dumps(kept, separators=(",", ":"), sort_keys=True, ensure_ascii=False) + "\n"


_REVISION = re.compile(r"[0-9A-Za-z_][0-9A-Za-z_.-]*")


def current_revisions(text: str) -> tuple[str, ...]:
    """Revisions that a `current` command printed: the first word of each line (`alembic current`: `ae10 (head)`)."""
    found = (_REVISION.match(line.strip()) for line in text.splitlines())
    return tuple(dict.fromkeys(match[0] for match in found if match))


def known_revisions(text: str) -> tuple[str, ...]:
    """Revisions that a `known` command printed.

    Understands `alembic history` (`1975ea -> ae1027 (head), title`, `a, b -> c (mergepoint), title`,
    `<base> -> 1975ea, title`) and, for other tools, one revision a line.
    """
    found: list[str] = []
    for line in text.splitlines():
        left, arrow, right = line.strip().partition("->")
        words = [*(part.strip() for part in left.split(",")), right.strip()] if arrow else [left]
        for word in words:
            if match := _REVISION.match(word):
                found.append(match[0])
    return tuple(dict.fromkeys(found))


# --- writing -----------------------------------------------------------------------------------------------------


def write_command(
    state: str, release: Release, texts: Sequence[tuple[str, str]], copies: Sequence[tuple[str, str, str]]
) -> Command:
    """Write `releases/<id>/` aside and rename it into place.

    `texts` are (name, text); `copies` are (name, path on the host, its SHA-256 when planning): a file that is not
    the one which was planned with ends the command before anything is renamed.
    """
    words: list[str] = []
    body = ""
    env = [(ENV_FILES, env_text(release.env_files))] if release.env_files else []
    for name, text in [("release.json", release.planned()), *env, *texts]:
        words += ["text", name, str(len(text.encode()))]
        body += text
    for name, path, sha256 in copies:
        words += ["copy", name, path, sha256]
    return Command(
        argv=("sh", "-c", WRITE_SCRIPT, "quarterdeck-write", state, release.id, *words),
        stdin=InputText(text=body),
        writes=True,
        deadline_s=QUICK_S,
    )


def written_command(state: str, release: str) -> Command:
    """Is the release's record there, whole? Exit code 0 if so."""
    return Command(argv=("test", "-f", f"{release_dir(state, release)}/release.json"), deadline_s=20)


def mark_command(state: str, release: str, mark: str) -> Command:
    """Note the host's time in `verified` or `undone`. The first note stands."""
    return Command(
        argv=("sh", "-c", MARK_SCRIPT, "quarterdeck-mark", release_dir(state, release), mark),
        writes=True,
        deadline_s=QUICK_S,
    )


def env_note(state: str, release: str, files: Sequence[FileTemplate]) -> Command:
    """Note which templates a release's environment files are written from by now; none: take the note away."""
    path = f"{release_dir(state, release)}/{ENV_FILES}"
    if not files:
        return Command(argv=("rm", "-f", "--", path), writes=True, deadline_s=QUICK_S)
    argv = ("sh", "-c", NOTE_SCRIPT, "quarterdeck-note", path)
    return Command(argv=argv, stdin=InputText(text=env_text(files)), writes=True, deadline_s=QUICK_S)


def env_noted(state: str, release: str, files: Sequence[FileTemplate]) -> Command:
    """Is that what is noted? Exit code 0 if so."""
    path = f"{release_dir(state, release)}/{ENV_FILES}"
    if not files:
        return Command(argv=("test", "!", "-e", path), deadline_s=20)
    return Command(argv=("cmp", "-s", "-", path), stdin=InputText(text=env_text(files)), deadline_s=20)


def level_command(state: str, release: str, host: str) -> Command:
    """Note that a host which was left out of the release has it by now."""
    return mark_command(state, release, LEVEL + host)


def not_level_command(state: str, release: str, host: str) -> Command:
    """Take that note away."""
    path = f"{release_dir(state, release)}/{LEVEL}{host}"
    return Command(argv=("rm", "-f", "--", path), writes=True, deadline_s=QUICK_S)


def unmark_command(state: str, release: str) -> Command:
    """Note that a release was taken back: no longer verified, and never one to go back to. Idempotent."""
    return Command(
        argv=("sh", "-c", UNMARK_SCRIPT, "quarterdeck-unmark", release_dir(state, release)),
        writes=True,
        deadline_s=QUICK_S,
    )


def marked_command(state: str, release: str, mark: str) -> Command:
    """Is that note there? Exit code 0 if so."""
    return Command(argv=("test", "-s", f"{release_dir(state, release)}/{mark}"), deadline_s=20)


Ground.model_rebuild(_types_namespace={"Release": Release})

"""The environment files of a change: what is read of them, the steps that write them, and what the plan shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from console.probes.envfiles import FileState, fingerprints_of, look_at, read_once, unusable
from console.runs.api import Block, Command, DiffBlock, FactsContext, Frozen, Refusal, RefusalError, Step, TextBlock
from console.stacks import envfiles
from console.stacks.around import then
from console.stacks.base import Ground, StackError
from console.stacks.envfiles import FileTemplate
from console.stacks.release import Release
from profiles.models import secret_names

if TYPE_CHECKING:
    from actions.change import Change
    from actions.site import Site


class Settings(Frozen):
    """What an action read of the environment files, and what they would be filled in with. Names, never values."""

    states: tuple[FileState, ...] = ()
    before: dict[str, tuple[FileTemplate, ...]] = Field(default_factory=dict)
    """By host: the templates of what is live, as far as today's credentials can fill them in."""
    fingerprints: dict[str, str] = Field(default_factory=dict)
    """Each credential to its keyed fingerprint."""

    def on(self, host: str) -> tuple[FileState, ...]:
        """The files of one host."""
        return tuple(one for one in self.states if one.host == host)

    def changed(self, host: str) -> tuple[FileState, ...]:
        """Those that writing changes."""
        return tuple(one for one in self.on(host) if one.changed)

    def readers(self, host: str) -> tuple[str, ...]:
        """Services that read a file which changes on this host."""
        return tuple(dict.fromkeys(name for one in self.changed(host) for name in one.template.services))

    @property
    def differ(self) -> bool:
        """Whether any file changes on any host."""
        return any(one.changed for one in self.states)

    @property
    def credentials(self) -> tuple[str, ...]:
        """What has to be in the keyring for what is written, and for an undo once the run is closed."""
        files = [one.template for one in self.states if one.changed]
        files += [old for host in {one.host for one in self.states if one.changed} for old in self.before.get(host, ())]
        return tuple(sorted({word for file in files for word in file.credentials}))


NONE = Settings()
"""No environment file is written."""


def read_settings(
    ctx: FactsContext, site: Site, files: Mapping[str, tuple[FileTemplate, ...]] | None = None
) -> Settings:
    """How the environment files stand on every host that takes part.

    `files`: by host, what is to be there, instead of what the profile says now. Raises RefusalError with all that is in
    the way, HostError, KeyringLocked.
    """
    environment = ctx.environment
    wanted = dict(files) if files is not None else dict.fromkeys(environment.hosts, site.spec.env_files)
    every = tuple(dict.fromkeys(one for some in wanted.values() for one in some))
    if not every:
        return NONE
    own = {one.secret for one in secret_names(environment.config.model_dump(mode="json"))}
    foreign = sorted({name for file in every for name in file.names} - own)
    if foreign:
        raise RefusalError(
            Refusal(
                reason=f"The environment file needs {', '.join(foreign)}, and the profile does not name "
                f"{'it' if len(foreign) == 1 else 'them'} for {environment.name} any more.",
                ways_out=("choose another release", "name it in a template of this environment again"),
            )
        )
    fetch = read_once(environment)
    sentences = unusable(environment, every, fetch)
    if sentences:
        ways = [f"quarterdeck credentials set {name}" for file in every for name in file.names]
        raise RefusalError(Refusal(reason=" ".join(sentences), ways_out=tuple(dict.fromkeys(ways))))
    try:
        states = look_at(environment, wanted, fetch=fetch)
    except StackError as error:
        raise RefusalError(Refusal(reason=str(error), ways_out=error.ways_out)) from error
    for state in states:
        if state.seen.problem:
            raise RefusalError(
                Refusal(
                    reason=f"{state.template.path} on {state.host} {state.seen.problem}.",
                    ways_out=("mend that on the host", "look at `files` in the profile"),
                )
            )
    old = {ground.host: release.env_files for ground in site.grounds if (release := _live(ground)) is not None}
    usable = {
        one
        for one in {one for some in old.values() for one in some}
        if not set(one.names) - own and not unusable(environment, (one,), fetch)
    }
    before = {host: tuple(one for one in files if one in usable) for host, files in old.items()}
    return Settings(
        states=states,
        before=before,
        fingerprints=fingerprints_of(environment, (*every, *(one for some in before.values() for one in some))),
    )


def _live(ground: Ground) -> Release | None:
    """The host's own copy of the record of what is live there."""
    return next((one for one in ground.releases if one.id == ground.live.release), None)


# --- steps -------------------------------------------------------------------------------------------------------


def add_steps(change: Change, settings: Settings, ground: Ground) -> None:
    """Keep what the files are, then write them; where nothing changes on this host, nothing."""
    states = settings.changed(ground.host)
    if not states:
        return
    site, spec, host = change.site, change.site.spec, ground.host
    become = spec.become(host)
    files = [one.template for one in states]
    paths = ", ".join(file.path for file in files)
    change.add(
        Step(
            id=site.step("env-kept", ground),
            title=site.title(f"keep {paths} as it is, until this run ends", ground),
            host=host,
            run=envfiles.keep(spec.state, [(one.template, one.seen.fingerprint) for one in states], become),
            undo=envfiles.forget(spec.state, become),
        ),
        ground,
    )
    said = ", ".join(
        f"{word} {settings.fingerprints[word]}"
        for word in sorted({word for file in files for word in file.credentials})
        if settings.fingerprints.get(word)
    )
    change.add(
        Step(
            id=site.step("env", ground),
            title=site.title(f"write {paths}", ground),
            host=host,
            run=envfiles.write(files, host, f"with {said}" if said else "", become),
            check=envfiles.written(files, host, become),
            undo=put_back(site, settings, ground),
        ),
        ground,
    )


def put_back(site: Site, settings: Settings, ground: Ground, then_run: Command | None = None) -> Command:
    """Put the files back as they were, and then run what needs them so. Without changed files: only the latter."""
    states = settings.changed(ground.host)
    if not states:
        assert then_run is not None
        return then_run
    spec = site.spec
    restore = envfiles.restore(
        spec.state,
        [one.template for one in states],
        settings.before.get(ground.host, ()),
        ground.host,
        spec.become(ground.host),
    )
    if then_run is None:
        return restore
    return then_run.model_copy(
        update={
            "argv": then(restore.argv, then_run.argv),
            "stdin": restore.stdin,
            "deadline_s": then_run.deadline_s + restore.deadline_s,
        }
    )


def forget(change: Change, settings: Settings) -> None:
    """The last steps of all, on each host where files were written: what they were is not kept any longer.

    They wait for every other host as well: what fails anywhere before them is undone everywhere, by value.
    """
    proved = tuple(dict.fromkeys(change.last.values()))
    for ground in change.site.grounds:
        if not settings.changed(ground.host):
            continue
        spec = change.site.spec
        change.add(
            Step(
                id=change.site.step("env-forget", ground),
                title=change.site.title("forget what the environment files were before", ground),
                host=ground.host,
                run=envfiles.forget(spec.state, spec.become(ground.host)),
                undo=Command(argv=("true",), deadline_s=20.0),
                shown="an undo after this fills in the old template with today's credentials",
            ),
            ground,
            proved,
        )


# --- what is shown -----------------------------------------------------------------------------------------------


def env_blocks(settings: Settings) -> tuple[Block, ...]:
    """What changes in the environment files: names and fingerprints."""
    blocks: list[Block] = []
    diffs: dict[tuple[str, str, str], list[str]] = {}
    gone: dict[tuple[str, str], list[str]] = {}
    for state in settings.states:
        if not state.changed:
            continue
        before, after = _before(state, settings), _after(state, settings)
        diffs.setdefault((state.template.path, before, after), []).append(state.host)
        extra = [key.key for key in state.keys if key.now == "extra"]
        if extra:
            gone.setdefault((state.template.path, ", ".join(extra)), []).append(state.host)
    for (path, keys), hosts in gone.items():
        blocks.append(
            TextBlock(
                title=f"{path} loses settings",
                text=f"{keys} on {', '.join(hosts)} is not in the template: it will be gone.",
                tone="warn",
            )
        )
    for (path, before, after), hosts in diffs.items():
        blocks.append(DiffBlock(title=f"{path} on {', '.join(hosts)}", before=before, after=after))
    return tuple(blocks)


def _before(state: FileState, settings: Settings) -> str:
    lines = []
    for key in state.keys:
        if key.now == "missing":
            continue
        if key.now == "same":
            lines.append(_line(state, key.key, key.source, settings))
        elif key.placeholder:
            lines.append(f"{key.key}  (a placeholder)")
        elif key.was:
            lines.append(f"{key.key}  (the value {key.was})")
        else:
            lines.append(f"{key.key}  (another value)")
    if state.mode_differs or state.owner_differs:
        lines.append(f"# mode {state.seen.mode}, {state.seen.owner}")
    if not state.verbatim and all(key.now == "same" for key in state.keys):
        lines.append("# other comments, quotes or order of lines")
    return "\n".join(lines)


def _after(state: FileState, settings: Settings) -> str:
    lines = [_line(state, key.key, key.source, settings) for key in state.keys if key.now != "extra"]
    if state.mode_differs or state.owner_differs:
        lines.append(f"# mode {state.template.mode}, {state.template.owner or state.seen.owner}")
    return "\n".join(lines)


def _line(state: FileState, key: str, source: str, settings: Settings) -> str:
    line = next((one for one in state.template.lines if one.key == key), None)
    words = dict.fromkeys(one.credential for one in line.secrets) if line is not None else {}
    marks = [f"{word} {settings.fingerprints[word]}" for word in words if settings.fingerprints.get(word)]
    return f"{key}  {source}" + (f"    ({', '.join(marks)})" if marks else "")


def files_then(release: Release, now: Sequence[FileTemplate]) -> tuple[FileTemplate, ...]:
    """The files of a release as they would be written now: its lines, and whatever else the profile says today.

    Only files that the profile still names at the same path.
    """
    old = {(file.name, file.path): file for file in release.env_files}
    return tuple(
        file.model_copy(update={"lines": old[file.name, file.path].lines})
        for file in now
        if (file.name, file.path) in old
    )

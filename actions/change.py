"""The steps that make a release live, shared by deploy and rollback. Pure.

record-live, name-live   only where what is live was recorded by nobody: so that there is something to go back to
files                    releases/<id>/ on each host, written aside and renamed
env-kept, env            only where an environment file of the profile's changes: what it is is kept, and it is written
config                   the stack's own tool reads them
pull, pull-rest          fetch what is not there
keep                     the images of the release to fall back to are protected from pruning
needs                    services that the migration needs, where they do not run
schema-before … known    on the first host only
up, healthy, ready       host after host
smoke                    once, after the last host
verified                 on each host
prune                    what no retained release needs
env-forget               last of all, so that whatever fails before finds what an undo puts back
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from actions.envfiles import NONE, Settings, add_steps, put_back
from actions.proof import proof_steps
from actions.site import Site, health_of
from console.runs.api import Command, Gate, Op, Step
from console.stacks.around import then
from console.stacks.base import Ground, ProcessSpec
from console.stacks.release import (
    Release,
    mark_command,
    marked_command,
    release_dir,
    retained,
    unmark_command,
    written_command,
)

AS_BEFORE = "release.as_before@1"
RECORDS_KEPT = 50
"""So many release records stay on a host; they are small, and tell a team's history."""
SMOKE_S = 600.0


def labels_for(site: Site, release: str, images: Mapping[str, str], settings: Settings = NONE) -> dict[str, str]:
    """The label of each service: an older release's where its image stays, on every host, so that it keeps running.

    One that reads an environment file which changes is started anew all the same.
    """
    labels = {}
    anew = {name for ground in site.grounds for name in settings.readers(ground.host)}
    for service, image in images.items():
        if service in anew:
            continue
        lives = [ground.live.service(service) for ground in site.grounds]
        older = {live.release for live in lives if live is not None and live.runs == image and live.state == "running"}
        stays = len(older) == 1 and all(live is not None and live.runs == image for live in lives)
        labels[service] = (older.pop() or release) if stays else release
    return {service: label for service, label in labels.items() if label != release}


def kept(site: Site, release: Release, service: str, settings: Settings = NONE) -> bool:
    """Whether a service keeps running through a change: by its label, or where a process has that image already.

    A container without the label is made anew for it; a process that runs what it is to run is left alone, unless it
    reads an environment file which changes.
    """
    if release.labels.get(service, release.id) != release.id:
        return True
    if any(service in settings.readers(ground.host) for ground in site.grounds):
        return False
    lives = [ground.live.service(service) for ground in site.grounds]
    return isinstance(site.spec, ProcessSpec) and all(
        live is not None and live.state == "running" and live.runs == release.images[service] for live in lives
    )


class Change:
    """Collects the steps of one change of release. `target` is the release to make live, as each host will have it."""

    def __init__(
        self,
        site: Site,
        target: Mapping[str, Release],
        fallback: Mapping[str, tuple[Release | None, bool]],
        services: Sequence[str] = (),
        uploads: Mapping[str, str] | None = None,
        *,
        smoke_back: bool = True,
        settings: Settings = NONE,
    ) -> None:
        self.site = site
        self.stack = site.stack
        self.target = target
        self.fallback = fallback
        self.services = tuple(services)
        self.uploads = uploads or {}
        self.settings = settings
        """How the environment files stand that are to be written."""
        self.smoke_back = smoke_back
        """Whether an undo is proved by the smoke tests as well."""
        self.steps: list[Step] = []
        self.last: dict[str, str] = {}

    @property
    def first(self) -> Ground:
        return self.site.grounds[0]

    def add(self, step: Step, ground: Ground | None, needs: Sequence[str] = ()) -> None:
        """Add a step after the last one on its host, or after all of them (None)."""
        before = [self.last[ground.host]] if ground and ground.host in self.last else []
        if ground is None:
            before = list(dict.fromkeys(self.last.values()))
        wanted = tuple(dict.fromkeys([*before, *needs]))
        step = step.model_copy(update={"needs": wanted})
        self.steps.append(step)
        for host in [ground.host] if ground else self.site.hosts:
            self.last[host] = step.id

    # --- preparing -------------------------------------------------------------------------------------------------

    def prepare(self, *, fetch: bool = True) -> None:
        """Everything before the first change that a user could notice."""
        for ground in self.site.grounds:
            release = self.target[ground.host]
            fallback, new = self.fallback[ground.host]
            if fallback is not None and new:
                record_live(self, ground, fallback)
            self.add(
                Step(
                    id=self.site.step("files", ground),
                    title=self.site.title(f"write release {release.id}", ground),
                    host=ground.host,
                    run=self.stack.write(ground, release, self.uploads),
                    check=written_command(self.site.spec.state, release.id),
                    undo=unmark_command(self.site.spec.state, release.id),
                    gates=(
                        Gate(
                            id=self.site.step("host", ground),
                            title=self.site.title("the engine answers and there is room", ground),
                            check=self.stack.ready_for(ground),
                        ),
                    ),
                    attempts=1,
                ),
                ground,
            )
            add_steps(self, self.settings, ground)
            validate = self.stack.validate(ground, release)
            if validate is not None:
                self.add(
                    Step(
                        id=self.site.step("config", ground),
                        title=self.site.title("Compose accepts the files", ground),
                        host=ground.host,
                        run=validate,
                        cancel="now",
                    ),
                    ground,
                )
            if fetch:
                self._fetch(ground, release)
            if fallback is not None:
                self.keep(ground, fallback)

    def _fetch(self, ground: Ground, release: Release) -> None:
        for fetch in self.stack.fetches(ground, release):
            self.add(
                Step(
                    id=self.site.step(f"pull{fetch.suffix}", ground),
                    title=self.site.title(fetch.title, ground),
                    host=ground.host,
                    run=fetch.run,
                    check=fetch.check,
                    undo=fetch.undo,
                    attempts=3,
                    cancel="now",
                    certainty=fetch.certainty,
                    shown=fetch.shown,
                ),
                ground,
            )

    def keep(self, ground: Ground, fallback: Release) -> None:
        """Protect the images of a release, where they are not protected yet."""
        keep = self.stack.keep(ground, fallback)
        if keep is not None:
            self.add(
                Step(
                    id=self.site.step("keep", ground),
                    title=self.site.title(f"keep the images of {fallback.shown()}", ground),
                    host=ground.host,
                    run=keep,
                    undo=self.stack.unkeep(ground, fallback),
                ),
                ground,
            )

    # --- the database ----------------------------------------------------------------------------------------------

    def migrate(self, shown: str) -> None:
        """Ask, upgrade, ask again, and note what the new image knows; on the first host, before any service changes.

        `shown`: what is said of the database's revision now, after "the database".
        """
        spec = self.site.spec.migrations
        if spec is None:
            return
        ground, release = self.first, self.target[self.first.host]
        prepared = tuple(dict.fromkeys(self.last.values()))
        missing = [name for name in spec.needs if not _runs(ground, name)]
        if missing:
            self.add(
                Step(
                    id="needs",
                    title=f"start {', '.join(missing)} for the migration",
                    host=ground.host,
                    run=self.stack.start_needed(ground, release, missing),
                    undo=self.stack.remove(ground, release, missing),
                ),
                ground,
                prepared,
            )
        self._note("schema-before", "ask the database for its revision", spec.current, prepared)
        self.add(
            Step(
                id="migrate",
                title="migrate the database with the new image",
                host=ground.host,
                run=self.stack.task(ground, release, spec.service, spec.upgrade, deadline_s=spec.deadline_s),
                check=self._at_head(),
                no_undo="schema at {now}",
                undo_check=self.stack.unchanged(
                    ground, release, spec.service, spec.current, note="schema.before", deadline_s=120.0
                ),
                certainty="conditional",
                shown=f"the database {shown}; what the new image brings is only known once it is here. "
                "The schema is never taken back without being asked for",
                cancel="ask",
            ),
            ground,
        )
        self._note("schema-after", "ask the database for its revision again", spec.current)
        self._note("schema-known", "note which revisions the new image knows", spec.known)

    def _note(self, name: str, title: str, argv: Sequence[str], needs: Sequence[str] = ()) -> None:
        """Run a reading program in the new image, and keep what it says beside the release."""
        spec = self.site.spec.migrations
        if spec is None:
            return
        ground, release = self.first, self.target[self.first.host]
        into = name.replace("-", ".")
        self.add(
            Step(
                id=name,
                title=title,
                host=ground.host,
                run=self.stack.task(ground, release, spec.service, argv, deadline_s=60.0, into=into),
                undo=self.note_removed(release, into),
                attempts=2,
                cancel="now",
            ),
            ground,
            needs,
        )

    def note_removed(self, release: Release, file: str) -> Command:
        """Remove one note of a release."""
        path = f"{release_dir(self.site.spec.state, release.id)}/{file}"
        return Command(argv=("rm", "-f", "--", path), writes=True, deadline_s=20.0)

    def _at_head(self) -> Command | None:
        """Is the database where the new image wants it? None if its tool cannot say what it wants."""
        spec = self.site.spec.migrations
        if spec is None or spec.heads is None:
            return None
        ground, release = self.first, self.target[self.first.host]
        return self.stack.compare(ground, release, spec.service, spec.heads, spec.current, deadline_s=120.0)

    # --- the switch ------------------------------------------------------------------------------------------------

    def switch(self) -> None:
        """Host after host: up, healthy, ready; then the smoke tests; then the mark."""
        done: tuple[str, ...] = tuple(dict.fromkeys(self.last.values()))
        for ground in self.site.grounds:
            done = self._switch(ground, done)
        if self.site.smoke:
            self.add(
                Step(
                    id="smoke",
                    title=f"smoke tests ({len(self.site.smoke)} requests)",
                    run=smoke_op(self.site, self.target[self.first.host].candidate),
                    cancel="now",
                ),
                None,
            )
        for ground in self.site.grounds:
            release = self.target[ground.host]
            self.add(
                Step(
                    id=self.site.step("verified", ground),
                    title=self.site.title(f"note that {release.id} is verified", ground),
                    host=ground.host,
                    run=mark_command(self.site.spec.state, release.id, "verified"),
                    check=marked_command(self.site.spec.state, release.id, "verified"),
                    undo=unmark_command(self.site.spec.state, release.id),
                ),
                ground,
            )

    def _switch(self, ground: Ground, needs: tuple[str, ...]) -> tuple[str, ...]:
        site, release = self.site, self.target[ground.host]
        fallback, _ = self.fallback[ground.host]
        with_smoke = self.smoke_back and ground is self.first
        changed = [name for name in release.images if not kept(site, release, name, self.settings)]
        shown = f"{', '.join(changed) or 'no service'} will be replaced: each is down from its stop until it is healthy"
        names = self.services or site.spec.names
        run = self.stack.switch(ground, release, self.services)
        back = self.stack.switch_back(ground, fallback, release, self.services)
        if anew := self._same_process(ground, release):
            again = self.stack.start_anew(ground, release, anew)
            run = run.model_copy(update={"argv": then(run.argv, again.argv)})
            back = back.model_copy(update={"argv": then(back.argv, again.argv)})
        self.add(
            Step(
                id=site.step("up", ground),
                title=site.title(f"make {release.shown()} live", ground),
                host=ground.host,
                run=run,
                check=Op(name="stack.live_is@1", args={"images": dict(release.images)}, deadline_s=60.0),
                undo=put_back(self.site, self.settings, ground, back),
                undo_check=as_before(site, ground, fallback, release, with_smoke=with_smoke),
                shown=shown,
            ),
            ground,
            needs,
        )
        for step in proof_steps(site, ground, names, "every service"):
            self.add(step, ground)
        return (self.last[ground.host],)

    def _same_process(self, ground: Ground, release: Release) -> list[str]:
        """Plain processes that read a changed file and run this very release: no switch starts them anew."""
        if self.site.spec.kind != "process":
            return []
        return [
            name
            for name in self.settings.readers(ground.host)
            if name in (self.services or self.site.spec.names)
            and (live := ground.live.service(name)) is not None
            and live.state == "running"
            and live.runs == release.images.get(name)
        ]

    # --- afterwards ------------------------------------------------------------------------------------------------

    def prune(self) -> None:
        """Remove what no retained release needs, where there is any."""
        for ground in self.site.grounds:
            release = self.target[ground.host]
            fallback, _ = self.fallback[ground.host]
            now = release.model_copy(update={"verified": "now"})
            every = (*(one for one in ground.releases if one.id != release.id), now)
            also = [release.id, *([fallback.id] if fallback else []), *([release.of] if release.of else [])]
            stay = retained(every, self.site.spec.retain, also)
            ids = {one.id for one in stay}
            drop = [one for one in every if one.id not in ids]
            old = drop[: max(0, len(every) - RECORDS_KEPT)]
            command = self.stack.prune(ground, stay, drop, old)
            if command is not None:
                self.add(
                    Step(
                        id=self.site.step("prune", ground),
                        title=self.site.title(f"remove what none of {len(stay)} retained releases needs", ground),
                        host=ground.host,
                        run=command,
                        no_undo="removed images can be fetched again by their digest",
                        shown=", ".join(one.shown() for one in drop),
                    ),
                    ground,
                )


def record_live(change: Change, ground: Ground, baseline: Release) -> None:
    """Steps that record what is live, so that there is something to go back to."""
    site, stack = change.site, change.stack
    change.add(
        Step(
            id=site.step("record-live", ground),
            title=site.title(f"record what is live as {baseline.shown()}", ground),
            host=ground.host,
            run=stack.write(ground, baseline, change.uploads),
            check=written_command(site.spec.state, baseline.id),
            undo=written_command(site.spec.state, baseline.id),
            shown="an undo leaves the record: it says what is live then",
        ),
        ground,
    )
    adopt = stack.adopt(ground, baseline)
    if adopt is not None:
        change.add(
            Step(
                id=site.step("name-live", ground),
                title=site.title("give images without a digest a name", ground),
                host=ground.host,
                run=adopt,
                check=stack.present(ground, baseline),
                undo=stack.present(ground, baseline),
                shown="an undo leaves the names: the record needs them",
            ),
            ground,
        )


def smoke_op(site: Site, version: str) -> Op:
    """The smoke tests, with `{release}` filled in."""
    variables: dict[str, JsonValue] = {**site.variables, "release": version}
    return Op(name="http.smoke@1", args={"steps": list(site.smoke), "variables": variables}, deadline_s=SMOKE_S)


def as_before(site: Site, ground: Ground, fallback: Release | None, leaving: Release, *, with_smoke: bool) -> Op:
    """Is the host as it was? Old images live and healthy; and, if they passed before, the smoke tests."""
    if fallback is None:
        gone: dict[str, JsonValue] = dict.fromkeys(leaving.images, "")
        return Op(name=AS_BEFORE, args={"images": gone, "services": {}, "smoke": None}, deadline_s=60.0)
    well = [
        one
        for one in site.spec.services
        if (live := ground.live.service(one.name)) is not None
        and live.state == "running"
        and live.health in ("healthy", "none")
    ]
    smoke: JsonValue = None
    if with_smoke and site.smoke:
        smoke = smoke_op(site, fallback.candidate).args
    images: dict[str, JsonValue] = {
        name: ref
        for name, ref in fallback.images.items()
        if (live := ground.live.service(name)) is not None and live.state == "running"
    }
    images |= {name: "" for name in leaving.images if ground.live.service(name) is None}
    wait = max((one.start_s for one in well), default=60.0)
    return Op(
        name=AS_BEFORE,
        args={"images": images, "services": {one.name: health_of(one) for one in well}, "smoke": smoke},
        deadline_s=wait + (SMOKE_S if smoke else 30.0),
    )


def _runs(ground: Ground, service: str) -> bool:
    live = ground.live.service(service)
    return live is not None and live.state == "running" and live.health in ("healthy", "none")

"""Which hosts are behind: left out, by name, of the release that is live on the others. Pure.

It is remembered where the live release is recorded, on the hosts that took part: `without` in the release's record
names who was left out, and a mark `level.HOST` beside it says that a host has it by now. So everybody sees it who
reaches one of them, from whatever machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from console.stacks.base import Ground
from console.stacks.release import Release, merged


class Behind(NamedTuple):
    """A host that was left out of the live release and does not have it yet."""

    host: str
    release: Release
    """What is live on the others, as they have it on record."""
    has: str | None = None
    """The release that is live on the host itself; None: none that is known, or nothing was seen of it."""
    seen: bool = False
    """Whether the host itself said what it has."""

    def shown(self, releases: Iterable[Release] = ()) -> str:
        """`two is behind: it was left out of r5 (1.1.0) by ann@desk and has r4 (1.0.0).` `releases`: for its name."""
        has = next((one.shown() for one in releases if one.id == self.has), self.has)
        by = f" by {self.release.who}" if self.release.who else ""
        when = f" at {self.release.when}" if self.release.when else ""
        now = f"it has {has}" if has else "nothing of ours is live there" if self.seen else "it was not seen since"
        return f"{self.host} is behind: it was left out of {self.release.shown()}{by}{when}; {now}."


def agreed(records: Mapping[str, Sequence[Release]]) -> dict[str, tuple[Release, ...]]:
    """The same records, by host, where each copy says who was left out of its release as any of them says.

    A host that was left out of a run after it had begun may have a copy that was written before that.
    """
    without: dict[str, tuple[str, ...]] = {}
    for found in records.values():
        for one in found:
            known = without.get(one.id, ())
            without[one.id] = (*known, *(host for host in one.without if host not in known))
    return {
        host: tuple(
            one if set(one.without) == set(without[one.id]) else one.model_copy(update={"without": without[one.id]})
            for one in found
        )
        for host, found in records.items()
    }


def counted(host: str, releases: Iterable[Release]) -> tuple[Release, ...]:
    """The copies that say something about their release: of a host that was left out of it, those verified there.

    Such a host got its copy later; where it could not be brought level, that is no fault of the release.
    """
    return tuple(one for one in releases if host not in one.without or (one.verified and not one.undone))


def on_any_host(grounds: Iterable[Ground]) -> tuple[Release, ...]:
    """Releases that any of the grounds knows, oldest first, each once."""
    return of_hosts({ground.host: ground.releases for ground in grounds})


def of_hosts(records: Mapping[str, Sequence[Release]]) -> tuple[Release, ...]:
    """Releases that any host has on record, by host; see `merged` and `counted`."""
    return merged(counted(host, found) for host, found in agreed(records).items())


def lacking(release: Release, records: Mapping[str, Sequence[Release]]) -> tuple[str, ...]:
    """Hosts that were left out of a release and do not have it, as far as `records`, by host, say."""
    records = agreed(records)
    return tuple(
        host
        for host in release.without
        if host not in release.level
        and not any(
            one.id == release.id and one.images == release.images for one in counted(host, records.get(host, ()))
        )
    )


def behind(
    hosts: Iterable[str], records: Mapping[str, Sequence[Release]], live: Mapping[str, str | None]
) -> tuple[Behind, ...]:
    """Those of `hosts` that are behind the newest release which is verified or live somewhere.

    `records`: what each host that was seen has on record, by host; `live`: the release that is live there.
    """
    somewhere = {release for release in live.values() if release is not None}
    wanted = [one for one in of_hosts(records) if not one.undone and (one.verified or one.id in somewhere)]
    if not wanted:
        return ()
    newest = wanted[-1]
    late = lacking(newest, records)
    return tuple(Behind(host, newest, live.get(host), host in records) for host in hosts if host in late)


def not_taken_back(records: Mapping[str, Sequence[Release]], live: Mapping[str, str | None]) -> dict[str, str]:
    """Host to a sentence, where a release is live that was taken back on the others: it was left out of that undo."""
    every = {one.id: one for one in of_hosts(records)}
    said = {}
    for host, id_ in live.items():
        release = every.get(id_ or "")
        if release is not None and release.undone and host in release.without:
            said[host] = (
                f"{host} still has {release.shown()}, which was taken back on the others without it: deploy or roll "
                "back with it."
            )
    return said

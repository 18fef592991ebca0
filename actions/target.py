"""Which release to go back to, or why there is none. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from actions.site import Site
from console.runs.api import Refusal
from console.stacks.release import Release, retained, verified

TAG = re.compile(r"[\w][\w.-]*")
"""A candidate that names one thing; `@staging` and `what was live` mean another one every day."""


def offered(site: Site) -> list[tuple[str, str]]:
    """The releases that one can go back to, newest first, each with its date, who made it and its schema. Pure."""
    live = site.live
    return [(one.id, _described(one)) for one in retained(site.releases, site.spec.retain) if {one.id} != live]


def _described(release: Release) -> str:
    """`1.4.0 · verified 2026-11-24 01:00 UTC by ada · schema a2`."""
    said = (release.verified or "")[:16].replace("T", " ")
    revisions = release.database.after or release.database.before or ()
    parts = [
        release.candidate,
        f"verified {said} UTC by {release.who or 'nobody on record'}",
        f"schema {', '.join(revisions)}" if revisions else "",
    ]
    return " · ".join(part for part in parts if part)


def chosen(site: Site, to: str) -> Release | Refusal:
    """The release to go back to, or why there is none. Pure."""
    good = verified(site.releases)
    live = site.live
    none = "none but what is live" if any(release.id in live for release in good) else "none"
    names = ", ".join(release.shown() for release in good if release.id not in live) or none
    if to:
        found = next((one for one in reversed(site.releases) if to in (one.id, one.candidate)), None)
        best = next((one for one in good if to in (one.id, one.candidate)), None)
        if found is None:
            return Refusal(reason=f"{site.environment} has no release {to}.", ways_out=(f"verified releases: {names}",))
        if best is None:
            what = "was taken back" if found.undone else "was never verified"
            return Refusal(
                reason=f"{found.shown()} {what}: it is not known to work.",
                ways_out=(f"verified releases: {names}", f"deploy it again: {_deploy(site, found)}"),
            )
        if live == {best.id}:
            if unwell := _unwell(site, best):
                return _put_back(site, best, unwell, names)
            return Refusal(reason=f"{best.shown()} is live already.", ways_out=(f"verified releases: {names}",))
        return best
    present = max((site.release(name) for name in live if name), key=lambda one: one.number if one else 0, default=None)
    newest = _origin(site, present) if present is not None else next_number(site)
    images = present.images if present is not None else None
    before = [one for one in good if one.number < newest and one.id not in live and one.images != images]
    if not before:
        return Refusal(
            reason=f"{site.environment} has no verified release before the one that is live.",
            ways_out=(*_left(site, present, good), *_unproven(site, present), f"verified releases: {names}"),
        )
    return before[0]


def _origin(site: Site, release: Release) -> int:
    """The number of the release that a rollback made live again: what it left is behind us, not before us."""
    number = release.number
    while release.of is not None and release.of[1:].isdecimal() and int(release.of[1:]) < number:
        number = int(release.of[1:])
        source = site.release(release.of)
        if source is None:  # its record is not kept any more
            break
        release = source
    return number


def _left(site: Site, present: Release | None, good: Sequence[Release]) -> tuple[str, ...]:
    """How to go to what the live release was gone back from, for whoever means that."""
    left = next((one for one in good if present and present.of and one.images != present.images), None)
    return (
        ()
        if left is None
        else (
            f"if you mean {left.shown()}, which a rollback left, name it: "
            f"quarterdeck run rollback {site.environment} --set to={left.id}",
        )
    )


def _unproven(site: Site, present: Release | None) -> tuple[str, ...]:
    """What can be done where nothing before the live release is verified: as after the first deploy of a system."""
    number = present.number if present is not None else 0
    earlier = [one for one in site.releases if one.number < number and not one.undone and not one.verified]
    if present is None or not earlier:
        return ("deploy a candidate that is known to work",)
    last = max(earlier, key=lambda one: one.number)
    undo = f"take back the run that made {present.shown()} live: quarterdeck runs undo {present.run}"
    return (
        *((undo,) if present.run else ()),
        f"{last.shown()} was live before, but nobody verified it; deploy it again, which does: {_deploy(site, last)}",
    )


def _deploy(site: Site, release: Release) -> str:
    """The command that deploys a release's candidate once more, as far as that names the same images today."""
    lasting = TAG.fullmatch(release.candidate)
    return f"quarterdeck run deploy {site.environment} --set candidate={release.candidate if lasting else '…'}"


def _unwell(site: Site, release: Release) -> dict[str, str]:
    """Service to how it stands, for each of the release that is not healthy: `not healthy on one (exited, …)`."""
    found: dict[str, list[str]] = {}
    for ground in site.grounds:
        for name in sorted(release.images):
            live = ground.live.service(name)
            if live is None or live.state != "running" or live.health not in ("healthy", "none"):
                how: list[str] = (
                    [live.state if live.state != "running" else live.health] if live is not None else ["not there"]
                )
                if live is not None and live.exit_code is not None:
                    how.append(f"exit code {live.exit_code}")
                if live is not None and live.restarts:
                    how.append(f"restarted {live.restarts} times")
                found.setdefault(name, []).append(f"{ground.host}: {', '.join(how)}")
    return {name: "; ".join(how) for name, how in found.items()}


def _put_back(site: Site, release: Release, unwell: Mapping[str, str], names: str) -> Refusal:
    """The refusal of what is live already and does not work: making it live once more would not mend it."""
    taken_back = any(one.number > release.number and (one.undone or not one.verified) for one in site.releases)
    word = "was put back" if taken_back else "is live"
    what = " and ".join(f"{name} is not healthy ({how})" for name, how in unwell.items())
    first = next(iter(unwell))
    ways = [
        f"look why in its log: quarterdeck {site.environment}",
        f"once that is mended, start it anew: quarterdeck run restart {site.environment} --set service={first}",
        f"verified releases: {names}",
    ]
    if site.spec.migrations is not None:
        ways.insert(
            0,
            "if a migration has changed the database under it: deploy a release that knows the schema as it is now, or "
            "take the schema back by hand, with the image that brought it and a backup",
        )
    return Refusal(
        reason=f"{release.shown()} {word}, but its {what}. Making it live once more would change nothing.",
        ways_out=tuple(ways),
    )


def next_number(site: Site) -> int:
    """One above the newest release."""
    return int(site.next_id[1:])

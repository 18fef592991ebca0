"""From what hosts and feeds gave to what screens draw. Pure: same data in, same view out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from console.text.sanitise import clean
from console.watch.views import NOTHING, EnvironmentView, HostView, LockView, PanelView, ServiceView, State

if TYPE_CHECKING:
    from console.feeds.prometheus import Answer
    from console.stacks.base import Live, LiveService
    from console.stacks.release import Release
    from profiles.models import Environment, Panel

WORST: Mapping[State, int] = {"ok": 0, "warn": 1, "unknown": 2, "bad": 3}


def worst(states: Sequence[State]) -> State:
    """The state that a sum of states has: bad over unknown over warn over ok; unknown for none."""
    return max(states, key=lambda one: WORST[one], default="unknown")


def service_state(one: LiveService) -> tuple[State, str]:
    """State and word of one service."""
    if one.state == "running":
        match one.health:
            case "healthy":
                return "ok", "healthy"
            case "unhealthy":
                return "bad", "unhealthy"
            case "starting":
                return "warn", "starting"
            case "none":
                return "ok", "running"
            case _:
                return "unknown", "running, health unknown"
    if one.state in ("starting", "restarting", "created", "paused"):
        return "warn", one.state
    if one.state == "exited":
        return "bad", f"exited ({one.exit_code})" if one.exit_code is not None else "exited"
    return "bad", one.state


def service_views(names: Sequence[str], live: Live, release_names: Mapping[str, str]) -> tuple[ServiceView, ...]:
    """A row for each service of the profile on one host; one that is not there is a row too."""
    rows = []
    for name in names:
        one = live.service(name)
        if one is None:
            rows.append(ServiceView(name, live.host, "bad", "not there", "", "", ""))
            continue
        state, word = service_state(one)
        rows.append(
            ServiceView(
                name=name,
                host=live.host,
                state=state,
                word=word,
                release=release_names.get(one.release, clean(one.release)),
                image=clean(one.digest or one.image),
                since=clean(one.since),
                restarts=one.restarts,
                said=clean(one.said),
            )
        )
    return tuple(rows)


def lost_view(row: ServiceView) -> ServiceView:
    """A row of a host that does not answer now: what was seen last, and never good or bad."""
    word = row.word if row.word.startswith("was ") else f"was {row.word}"
    return row._replace(state="unknown", word=word)


def environment_view(
    config: Environment,
    *,
    lives: Mapping[str, Live],
    problems: Mapping[str, str],
    addresses: Mapping[str, str],
    releases: Sequence[Release],
    lock: LockView | None,
    at: float,
    behind: Mapping[str, str] = NOTHING,
    drift: Mapping[str, Sequence[str]] = NOTHING,
) -> EnvironmentView:
    """One environment from what its hosts gave last (`lives`) and the sentences of those that do not answer now.

    A host that is in both is shown as it was seen last, and as unknown. `behind`: sentences about hosts that were left
    out of the live release, which is then what the others run. `drift`: sentences about the environment files of each
    host. `at`: when one of them answered last, unix seconds; 0: none ever did.
    """
    candidates = {release.id: clean(release.candidate) for release in releases}
    names = tuple(config.stack.services)
    services = tuple(
        lost_view(row) if host in problems else row
        for host in config.hosts
        if host in lives
        for row in service_views(names, lives[host], candidates)
    )
    hosts = tuple(
        _host_view(host, addresses.get(host, host), host in lives, problems, clean(behind.get(host, "")))
        for host in config.hosts
    )
    states = [row.state for row in services] + [host.state for host in hosts if host.state != "ok"]
    answering = {host: live for host, live in lives.items() if host not in problems}
    in_front = {host: live for host, live in answering.items() if host not in behind}
    found = {live.release for live in (in_front or answering or lives).values()}
    live_release = next(iter(found)) if len(found) == 1 else None
    differs = tuple(clean(text) for host in config.hosts if host in answering for text in answering[host].differs)
    settings = tuple(
        clean(f"{host}: {text}") for host in config.hosts if host in answering for text in drift.get(host, ())
    )
    outside, differs = bool(differs), (*differs, *settings)
    state = worst(states)
    if state == "ok" and differs:
        state = "warn"
    return EnvironmentView(
        name=config.name,
        title=config.title or config.name,
        production=config.production,
        colour=config.shown_colour,
        state=state,
        word=_word(
            state,
            services,
            problems,
            differs,
            [host.name for host in hosts if host.problem == UNSEEN],
            [host.name for host in hosts if host.behind],
            "changed outside" if outside else "settings differ",
        ),
        release=candidates.get(live_release or "", clean(live_release or "")),
        differs=differs,
        services=services,
        hosts=hosts,
        lock=lock,
        at=at,
        problem="; ".join(clean(text) for text in problems.values()),
    )


UNSEEN = "not looked at yet"


def _host_view(name: str, address: str, seen: bool, problems: Mapping[str, str], behind: str) -> HostView:
    if name in problems:
        return HostView(name, address, "unknown", clean(problems[name]), behind)
    if not seen:
        return HostView(name, address, "unknown", UNSEEN, behind)
    return HostView(name, address, "warn" if behind else "ok", "", behind)


def _word(
    state: State,
    services: Sequence[ServiceView],
    problems: Mapping[str, str],
    differs: Sequence[str],
    unseen: Sequence[str],
    behind: Sequence[str] = (),
    changed: str = "changed outside",
) -> str:
    if problems and all(row.state == "unknown" for row in services):
        return "not reached" if len(problems) > 1 else f"{next(iter(problems))} not reached"
    if not services:
        return UNSEEN if unseen else "nothing runs"
    bad = [row for row in services if row.state == "bad"]
    if len(bad) == len(services) and all(row.word == "not there" for row in bad):
        return "nothing runs"
    if len(bad) == 1:
        return f"{bad[0].name} {bad[0].word}"
    if bad:
        return f"{len(bad)} of {len(services)} not well"
    if problems:
        return "not reached" if len(problems) > 1 else f"{next(iter(problems))} not reached"
    if unseen:
        return f"{unseen[0]} {UNSEEN}"
    if behind:
        return f"{behind[0]} is behind" if len(behind) == 1 else f"{len(behind)} hosts are behind"
    if state == "warn" and differs:
        return changed
    waiting = [row for row in services if row.state == "warn"]
    if waiting:
        return f"{waiting[0].name} {waiting[0].word}"
    return "healthy" if all(row.word == "healthy" for row in services) else "running"


def panel_view(
    panel: Panel,
    points: Sequence[tuple[float, float | None]],
    *,
    problem: str = "",
    partial: bool = False,
    since: float = 0.0,
    expected: float = 0.0,
) -> PanelView:
    """One chart; points older than `since` (unix seconds) are left out, values are in the panel's unit.

    `expected`: a sample as new as this should be there (unix seconds). If the newest is older, the panel is stale and
    says so: a chart that has stopped looks like one that is steady.
    """
    scaled = tuple((at, value * panel.scale if value is not None else None) for at, value in points if at >= since)
    newest = max((at for at, value in scaled if value is not None), default=0.0)
    stopped = newest < expected
    if newest == 0.0:
        problem = problem or "no data"
    elif stopped:
        problem = problem or "no newer data"
    limits = panel.thresholds
    return PanelView(
        title=panel.title,
        unit=panel.unit,
        decimals=panel.decimals,
        points=scaled,
        at=newest,
        warn=limits.warn if limits else None,
        bad=limits.bad if limits else None,
        direction=limits.direction if limits else "above",
        problem=problem,
        stale=stopped,
        partial=partial,
        help=panel.help,
        query=panel.query or (panel.scrape.metric if panel.scrape else ""),
    )


def merged(
    known: Sequence[tuple[float, float | None]], answer: Answer, since: float, times: Sequence[float] = ()
) -> tuple[tuple[float, float | None], ...]:
    """Points of a panel after a refresh: the known ones, replaced and continued by the newly read, none before `since`.

    `times`: every time that was asked for. The server leaves out those for which it has nothing; here they are gaps,
    so that a chart does not draw a line across them. A query that gives several series is drawn as their sum at each
    time: panels are meant to ask for one.
    """
    points: dict[float, float | None] = {at: value for at, value in known if at >= since}
    fresh: dict[float, float | None] = dict.fromkeys(times)
    for series in answer.series:
        for at, value in series.points:
            before = fresh.get(at)
            fresh[at] = value if before is None else before + (value or 0.0)
    points.update((at, value) for at, value in fresh.items() if at >= since)
    return tuple(sorted(points.items()))


def grid(start: float, end: float, step: float) -> tuple[float, ...]:
    """The times that a range query of this step gives: whole steps from `start` to `end`, unix seconds."""
    first, last = math.floor(start / step), math.floor(end / step)
    return tuple(n * step for n in range(first, last + 1))

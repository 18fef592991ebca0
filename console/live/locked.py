"""Releases and a person's lock of one environment, as its hosts say."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from console.session import AskFailed, ReleaseShown

if TYPE_CHECKING:
    from console.environment import Environment
    from console.hosts.base import HostUnreachable
    from console.live.ground import Ground
    from console.runs.locks import Held, Owner
    from console.stacks.release import Release
    from console.store.records import Record


def releases(ground: Ground, environment: str) -> tuple[ReleaseShown, ...]:
    """Every release on record on any host that answers, newest first, with why one cannot go back to it.

    Raises HostError or StackError where no host answers.
    """
    from console.live.shown import release_shown
    from console.stacks.behind import behind, lacking, of_hosts
    from console.stacks.release import retained

    bound = ground.bound(environment)
    copies, lives = _on_hosts(ground, bound)
    found = of_hosts(copies)
    late = behind(bound.config.hosts, copies, lives)
    in_front = {host: one for host, one in lives.items() if host not in {one.host for one in late}} or lives
    kept = {one.id for one in retained(found, bound.config.policy.retain)}
    shown = []
    for release in reversed(found):
        live = release.id if release.id in in_front.values() else None
        without = lacking(release, copies)
        if live and len(set(in_front.values())) > 1:
            why = f"it is live on {', '.join(host for host, one in lives.items() if one == live)}"
        elif live:
            why = "it is live"
        elif release.undone:
            why = "it was undone"
        elif not release.verified:
            why = "it was never verified"
        elif without:
            why = f"{', '.join(without)} never had it"
        else:
            why = ""
        doubt = "" if why or release.id in kept else "if its images are still there: they are kept no more"
        shown.append(release_shown(release, live, why, without, doubt))
    return tuple(shown)


def _on_hosts(ground: Ground, bound: Environment) -> tuple[dict[str, tuple[Release, ...]], dict[str, str | None]]:
    """What each host that answers has on record, and which release is live there. Raises the first host's error."""
    from concurrent.futures import ThreadPoolExecutor

    from console.hosts.base import HostError
    from console.stacks.base import StackError
    from console.stacks.release import place, read_releases

    def read(name: str) -> tuple[tuple[Release, ...], str | None] | HostError | StackError:
        host = bound.hosts[name]
        try:
            found = tuple(read_releases(host, bound.config.state_directory))
            return found, place(bound.stack.live(host), found).release
        except (HostError, StackError) as error:
            return error

    names = bound.config.hosts
    with ThreadPoolExecutor(min(8, len(names)), thread_name_prefix="releases") as pool:
        answers = dict(zip(names, pool.map(read, names), strict=True))
    there = {name: one for name, one in answers.items() if isinstance(one, tuple)}
    for name, error in answers.items():
        if isinstance(error, Exception):
            if not there:
                raise error
            ground.tell(f"Releases on {name} are not among them: {error}")
    return {name: found for name, (found, _) in there.items()}, {name: live for name, (_, live) in there.items()}


def lock(ground: Ground, environment: str, reason: str, without: Sequence[str] = ()) -> None:
    """Lock every host of it for a person, but those that are left out by name; on all of them or on none.

    Raises AskFailed, NotToBeLeftOut, LockHeld, HostError.
    """
    from console.hosts.base import HostError, HostUnreachable
    from console.runs import left_out, locks

    if not reason.strip():
        raise AskFailed("A lock needs a reason: whoever finds it wants to know why.")
    bound = left_out.without(ground.bound(environment), without)
    owner = _person(ground, reason)
    taken: list[tuple[str, str]] = []
    try:
        for name in sorted(bound.config.hosts):
            got = locks.take(bound.hosts[name], bound.directory, owner, ground.timing, environment=environment)
            taken.append((name, got.fence))
    except (locks.LockHeld, HostError) as error:
        for name, fence in taken:
            with suppress(HostError):  # the first error is the one to tell; a lock of ours can be given back later
                locks.release(bound.hosts[name], bound.directory, owner.run, fence)
        if isinstance(error, HostUnreachable):
            raise _not_there(bound, error, f"lock {environment} --reason …") from error
        raise
    body = {"environment": environment, "reason": reason, **_left_out(bound)}
    _on_record(ground, bound, ground.record("lock.taken", body))


def unlock(ground: Ground, environment: str, reason: str, without: Sequence[str] = ()) -> None:
    """Give our own lock back; take a person's, or a dead run's, away with a reason. Raises AskFailed, HostError.

    Every host is looked at, but those that are left out by name: a run that ended while one of them was away has left
    its lock there. Raises NotToBeLeftOut.
    """
    from console.hosts.base import HostUnreachable
    from console.runs import left_out, locks

    bound = left_out.without(ground.bound(environment), without)
    try:
        found = [locks.look(bound.hosts[name], bound.directory, ground.timing) for name in sorted(bound.config.hosts)]
    except HostUnreachable as error:
        raise _not_there(bound, error, f"unlock {environment}{' --reason …' if reason else ''}") from error
    held = [one for one in found if one is not None]
    if not held:
        raise AskFailed(f"{environment} is not locked.", exit_code=0)
    me = _person(ground, reason)
    for one in held:
        _may_be_taken(environment, one, me, reason)
    for one in held:
        # Taken first, then given back: what is removed is exactly the lock that was looked at.
        host = bound.hosts[one.host]
        got = locks.seize(host, bound.directory, me, one, ground.timing, environment=environment)
        locks.release(host, bound.directory, me.run, got.fence)
    for run in sorted({one.owner.run for one in held if one.owner.kind == "run"}):
        body = {"environment": environment, "run": run, "reason": reason, **_left_out(bound)}
        _on_record(ground, bound, ground.record("lock.seized", body))
    people = sorted({one.owner.who for one in held if one.owner.kind == "person"})
    if people:
        body = {"environment": environment, "of": ", ".join(people), "reason": reason, **_left_out(bound)}
        _on_record(ground, bound, ground.record("lock.removed", body))


def _left_out(bound: Environment) -> dict[str, list[str]]:
    return {"without": list(bound.left_out)} if bound.left_out else {}


def _not_there(bound: Environment, error: HostUnreachable, words: str) -> AskFailed:
    """A host does not answer: the refusal, with how it is left out where others are there."""
    left = "".join(f" --without {name}" for name in (*bound.left_out, error.host))
    ways = (f"leave it out by name: quarterdeck {words}{left}",) if len(bound.config.hosts) > 1 else ()
    return AskFailed(f"{error} Nothing was changed.", ways, exit_code=5)


def _may_be_taken(environment: str, held: Held, me: Owner, reason: str) -> None:
    """Raises AskFailed unless the lock is our own, or a person's or a dead run's and there is a reason."""
    owner = held.owner
    if owner.kind == "run" and owner.run:
        where = f"{environment} is held on {held.host} by the run {owner.run} of {owner.who}"
        if not held.dead:
            ways = tuple(f"quarterdeck runs {word} {owner.run}" for word in ("follow", "cancel"))
            raise AskFailed(f"{where}. A run gives its lock back itself.", ways, exit_code=4)
        if not reason.strip():
            ways = tuple(f"quarterdeck runs {word} {owner.run}" for word in ("resume", "undo", "leave"))
            last = f"or, if it has ended or is not to be gone on with: quarterdeck unlock {environment} --reason …"
            raise AskFailed(
                f"{where}, and nothing was heard of it for {held.age_s:.0f} s. If it has not ended, the environment is "
                "as it left it.",
                (*ways, last),
                exit_code=4,
            )
    elif owner.run != me.run and not reason.strip():
        raise AskFailed(
            f"{environment} was locked by {owner.who}: {owner.reason}. It is not yours.",
            ("ask them", f"or take it away: quarterdeck unlock {environment} --reason …"),
            exit_code=4,
        )


def _person(ground: Ground, reason: str) -> Owner:
    from console.runs.locks import Owner

    who = ground.who()
    return Owner(run=person_run(who), who=who, pid=os.getpid(), reason=reason, since=time.time(), kind="person")


def person_run(who: str) -> str:
    """What stands for a run in a person's lock and in the fence: one plain word, whatever the person is called.

    `DOMAIN\\nick@desk` and other names that shells, JSON and fences write differently get a word of their own.
    """
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,100}", who):
        return f"person-{who}"
    plain = re.sub(r"[^A-Za-z0-9._@-]+", "_", who)[:60]
    return f"person-{plain}-{hashlib.sha256(who.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


def _on_record(ground: Ground, bound: Environment, record: Record) -> None:
    """The same record on the hosts, where colleagues see it. Best effort: the lock itself is there already."""
    from console.hosts.base import HostError
    from console.runs.locks import append_audit

    for name in bound.config.hosts:
        try:
            append_audit(bound.hosts[name], bound.directory, [record.line()])
        except HostError as error:
            ground.tell(f"The audit on {name} does not hold it: {error}")

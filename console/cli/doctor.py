"""`quarterdeck doctor`: looks for what would go wrong at night, and says what to do."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from console.answers import AskFailed
from console.cli.output import DONE, FAILED, Exit, clock, give

if TYPE_CHECKING:
    from console.live.session import LiveSession

PACKAGES = ("console", "screens", "actions", "profiles")


@click.command()
@click.argument("environment", required=False)
@click.option("--timer", is_flag=True, help="Print a timer for `quarterdeck wake`, and look at nothing.")
@click.pass_obj
def doctor(obj: dict[str, Any], environment: str | None, timer: bool) -> None:
    """Look at this machine, and at ENVIRONMENT's hosts if one is named. Exit code 1 if something needs mending."""
    from console.cli.opening import cli_session, reading

    if timer:
        import os
        import sys

        from console.cli.timer import program, timer_text

        words = (*program(sys.argv[0]), *_only(obj.get("profile")))
        give(timer_text(words, os.environ.get("QUARTERDECK_STATE_DIR", "")))
        raise Exit(DONE)
    with cli_session(obj, profile_needed=environment is not None) as session:
        if environment is None:
            with suppress(AskFailed):  # without a profile that is trusted there is less to look at
                session.load()
        findings = [*here(session)]
        if environment is not None:
            with reading(session):
                findings += list(there(session, environment))
    for ok, sentence in findings:
        give(f"{'ok  ' if ok else 'MEND'}  {sentence}")
    raise Exit(DONE if all(ok for ok, _ in findings) else FAILED)


def _only(profile: str | None) -> tuple[str, ...]:
    """The words that keep a timer to the system of this profile, from whatever directory. Raises ProfileErrors."""
    if profile is None:
        return ()
    from pathlib import Path

    from profiles.loader import find_profile

    found = find_profile(profile, Path.cwd(), Path.cwd())
    return ("-p", found.name if found is not None else profile)


def here(session: LiveSession) -> Iterator[tuple[bool, str]]:
    """What is so on this machine."""
    from console.store.database import StoreUnusable

    yield from under_the_store(session)
    if shutil.which("ssh") is None:
        yield False, "there is no ssh here; effective SSH settings come from `ssh -G`. Install OpenSSH's client."
    else:
        try:
            said = subprocess.run(["ssh", "-V"], capture_output=True, text=True, timeout=5, check=False).stderr.strip()
            yield True, f"ssh: {said}"
        except (OSError, subprocess.SubprocessError) as error:
            yield False, f"ssh does not say its version: {error}"
    yield from overwritten()
    yield from outlives()
    try:
        session.ground.database.connection()
    except StoreUnusable as error:
        yield False, str(error)
        return
    from console.runs.prune import still_kept
    from console.runs.sinks import troubles

    yield from interrupted(session)
    yield from woken(session)
    yield True, f"kept: {still_kept(session.ground.records, session.ground.places)}"
    yield from uploaded(session)
    yield from aged(session)
    for sentence in troubles(session.ground.records):
        yield False, sentence
    checked = session.check_audit(hosts=False)
    whole = f": {checked.bad[0]}" if checked.bad else f" and {checked.checkpoints} checkpoints, every chain is whole"
    yield (not checked.bad), f"{checked.records} records{whole}"


def under_the_store(session: LiveSession) -> Iterator[tuple[bool, str]]:
    """Where the store lies, and whether a run could be kept there."""
    from console.store import reserve

    where, wrong = session.ground.places, session.troubles()
    for sentence in wrong.values():
        yield False, sentence
    if set(wrong) <= {"network"}:
        yield True, f"state in {where.state}, {reserve.room(where.state) >> 20} MB free"


def interrupted(session: LiveSession) -> Iterator[tuple[bool, str]]:
    """Runs of this store whose runner is gone: killed, or ended with the machine."""
    from console.live.runs import RunsDesk
    from console.runs.model import WORDS
    from console.store.records import ChainBroken

    runs, found, rebooted = session.ground.known_runs, [], 0
    lines = RunsDesk(session.ground).here() if session.ground.loaded else ()
    ended = {line.id for line in lines if line.state in WORDS.values()}  # by a colleague, as the hosts said last
    for name in dict.fromkeys((*runs.here()[:50], *runs.parked())):
        try:
            seen = runs.seen(name)
        except ChainBroken:
            continue  # said with the records below
        if seen.parked is not None and seen.left_s > 0:
            waits = (
                "its runner waits" if seen.holder is not None else "no runner waits for that: quarterdeck runs resume"
            )
            yield True, f"{name} is parked until {clock(seen.until)}; {waits}"
        elif seen.holder is None and seen.view.state != "closed" and name not in ended:
            found.append(f"{name} ({seen.state}, last heard of at {clock(seen.heard)})")
            rebooted += seen.rebooted
    if found:
        why = f" This machine was started anew under {rebooted} of them." if rebooted else ""
        yield (
            False,
            f"runs that nobody executes: {', '.join(found)}.{why} What can be done: quarterdeck runs show ID",
        )


def woken(session: LiveSession) -> Iterator[tuple[bool, str]]:
    """Whether something looks after runs that wait, with nobody there."""
    from console.runs.client import LAST_WAKE

    last = session.ground.records.remembered(LAST_WAKE)
    if last is None:
        yield (
            True,
            "nothing looks after runs that wait while no console is open; a timer could: quarterdeck doctor --timer",
        )
    else:
        yield True, f"`quarterdeck wake` last looked at {clock(float(last['at']))}"


def uploaded(session: LiveSession) -> Iterator[tuple[bool, str]]:
    """Secrets that are written out in files which the profile uploads; nothing where there is no trusted profile."""
    from console.cli.profile import written_out

    if session.ground.loaded:
        for sentence in written_out(session.ground.profile):
            yield False, sentence


def aged(session: LiveSession) -> Iterator[tuple[bool, str]]:
    """Credentials beside their rules; nothing where there is no trusted profile."""
    if not session.ground.loaded:
        return
    every = session.vault.ages()
    for one in every:
        if one.late:
            yield False, f"{one.sentence()} Renew it, then: quarterdeck credentials set {one.name}"
    if any(one.standing == "unknown" for one in every):
        yield (
            False,
            f"how old the {len(every)} credentials are is not known: the keyring is locked, and was never open here. "
            "Open it once: quarterdeck credentials unlock",
        )
    elif every and not any(one.late for one in every):
        missing = [one.name for one in every if one.standing == "not set"]
        yield True, f"{len(every)} credentials, none of them due" + (f"; not set: {', '.join(missing)}" * bool(missing))


def overwritten() -> Iterator[tuple[bool, str]]:
    """Whether another distribution has put its own package where one of ours is."""
    from importlib.metadata import packages_distributions

    owners = packages_distributions()
    for package in PACKAGES:
        others = [name for name in set(owners.get(package, ())) if name != "quarterdeck"]
        if others:
            yield (
                False,
                f"the package {package} is also installed by {', '.join(others)}. Give Quarterdeck its own venv.",
            )


def outlives() -> Iterator[tuple[bool, str]]:
    """Whether a runner outlives the login."""
    from console.runs.launch import here as from_here

    start = from_here()
    yield start.outlives, start.how + (f". To do: {start.mend}" if start.mend else "")


def there(session: LiveSession, environment: str) -> Iterator[tuple[bool, str]]:
    """What is so on the hosts of an environment."""
    from console.hosts.base import HostError
    from console.live.drift import drift_of
    from console.runs import locks
    from console.stacks.base import StackError

    bound = session.ground.bound(environment)
    for name in bound.config.hosts:
        host = bound.hosts[name]
        try:
            facts = host.connect()
            yield True, f"{name}: reached as {facts.user}, {facts.kernel}"
            if facts.exec_s > 0.5:
                yield False, f"{name}: an empty command takes {facts.exec_s:.2f} s; look at its shell's start-up files"
            for tool in facts.extra.get("missing", "").split():
                yield False, f"{name}: {tool} is missing; install util-linux and coreutils"
            ground = bound.stack.ground(host)
            yield True, f"{name}: {bound.stack.spec.kind} {ground.compose_version} engine {ground.engine or '-'}"
            for problem in ground.problems:
                yield False, f"{name}: {problem.reason} {' '.join(problem.ways_out)}"
            for sentence in ground.live.differs:
                yield False, f"{name}: {sentence}"
            held = locks.look(host, bound.directory, session.ground.timing)
            if held is not None and held.dead:
                yield False, f"{name}: a dead lock of {held.owner.who} ({held.owner.run}), {held.age_s:.0f} s old"
            if host.read_file(f"{bound.directory}/.git/HEAD", limit=4096) is not None:
                yield (
                    False,
                    f"{name}: {bound.directory} is a git checkout; `git clean -x` would remove .quarterdeck. "
                    f"Add it to .git/info/exclude, and keep -x away.",
                )
            for sentence in drift_of(session.ground.keys, bound, name):
                yield False, f"{name}: {sentence} Look: quarterdeck plan configure {environment}"
        except (HostError, StackError, OSError) as error:
            yield False, f"{name}: {error}"
    if any(session.ground.profile.hosts[name].become == "sudo" for name in bound.config.hosts):
        user = session.ground.profile.hosts[bound.config.hosts[0]].user or "the deploy account"
        yield True, f"sudoers line for `become: sudo`: {user} ALL=(root) NOPASSWD: /usr/bin/docker"

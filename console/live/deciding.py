"""What must hold before a decision about a run is written down: each check refuses with a sentence and the ways out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from console.session import AskFailed

if TYPE_CHECKING:
    from console.environment import Environment
    from console.live.ground import Ground
    from console.runs.client import Seen
    from console.runs.model import RunView


def may_be_left_out(view: RunView, choice: str, names: Sequence[str]) -> tuple[str, ...]:
    """Hosts that can be left out of the rest of a run. Raises NotToBeLeftOut, AskFailed."""
    from console.runs import setting_aside
    from console.runs.api import Plan

    wanted = setting_aside.may_be_left_out(view, names)
    if wanted and choice == "resume":
        why = setting_aside.cannot_go_on(Plan.model_validate(view.body["plan"]), view, wanted)
        if why:
            left = "".join(f" --without {name}" for name in wanted)
            ways = tuple(f"quarterdeck runs {word} {view.id}{left}" for word in ("undo", "leave"))
            raise AskFailed(f"It cannot go on without {' and '.join(wanted)}: {why}", ways, exit_code=4)
    return wanted


def may_be_answered(ground: Ground, seen: Seen, choice: str, digest: str) -> None:
    """A run from elsewhere: its plan was confirmed, is the one of its digest, and is of this place. AskFailed."""
    from console.runs.foreign import strange

    view, run = seen.view, seen.view.id
    if digest != view.body.get("digest"):
        raise AskFailed(
            f"The run {run} was not made here, and its plan has not been confirmed here. Nothing was changed.",
            (f"look at it whole and confirm it: quarterdeck runs {choice} {run}",),
            exit_code=4,
        )
    wrong = strange(view.body, ground.bound(view.environment))
    if wrong:
        raise AskFailed(f"The run {run} came from elsewhere, and {wrong}. Nothing was changed.", exit_code=4)


def may_still_undo(ground: Ground, seen: Seen, environment: Environment | None, without: Sequence[str]) -> None:
    """A closed run may be undone only while it was the last one, and all is as it left it. Raises AskFailed."""
    from console.hosts.base import HostError
    from console.runs.client import RunUnknown
    from console.runs.left_out import later_way_out

    known, view = ground.known_runs, seen.view
    since = _day_before(view.id)
    others = {run for run in known.here() if run > since and run != view.id}
    hosts = [name for name in view.hosts if name not in without]
    if environment is not None:
        try:
            others |= {run for run in known.on_hosts(environment, hosts=hosts) if run > since and run != view.id}
        except HostError as error:
            said = f"Whether another run has ended in {view.environment} since cannot be seen: {error}"
            way = later_way_out(view.id, hosts, error.host)
            raise AskFailed(said, (way,) if way else (), exit_code=5) from error
    for run in sorted(others):
        try:
            other = known.seen(run, environment).view
        except RunUnknown:
            continue
        if not _later(other, view):
            continue
        same = other.environment == view.environment
        if same and other.state == "closed" and other.changed and not _left_as_it_was(other):
            raise AskFailed(
                f"Another run has ended in {view.environment} since: {other.id}. Undoing this one would undo that "
                "one's ground.",
                (f"roll back instead: quarterdeck run rollback {view.environment}",),
                exit_code=4,
            )
    if environment is not None:
        from console.assembly import op_handlers
        from console.credentials.labelled import Labelled
        from console.runs.undoable import not_as_left

        names = {one.credential.secret for one in environment.config.rotations.values()}
        keyring = Labelled(ground.keys.credentials, ground.redactor.add, names)
        differs = not_as_left(view, environment, op_handlers(), ground.keys.get, without, keyring)
        if differs:
            raise AskFailed(
                f"{differs} An undo would start from something that is not there.",
                (f"roll back instead: quarterdeck run rollback {view.environment}",),
                exit_code=4,
            )


def _left_as_it_was(other: RunView) -> bool:
    """Whether a run that has ended took back all that it did: the ground of the one before is as that had left it."""
    whole = other.ending in ("undone", "failed-undone", "cancelled-undone")
    return whole and not any(step.state == "left" for step in other.steps.values())


def _day_before(run: str) -> str:
    """What the names of runs are compared with that may be later than `run`: clocks are set, and differ."""
    import datetime

    try:
        at = datetime.datetime.strptime(run[:15], "%Y%m%dT%H%M%S")
    except ValueError:
        return ""
    return f"{at - datetime.timedelta(days=1):%Y%m%dT%H%M%S}"


def _later(other: RunView, view: RunView) -> bool:
    """Whether a run had its hosts after another one: by their fences, which count, where both had the same host.

    The names of runs hold a time, of whichever clock their makers had.
    """
    for host, fence in view.fences.items():
        theirs, ours = other.fences.get(host, "").partition(" ")[0], fence.partition(" ")[0]
        if theirs.isdecimal() and ours.isdecimal():
            return int(theirs) > int(ours)
    return other.id > view.id

"""Following a run from the command line: its steps and output as they come, and what it is at the end."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING, Any, Literal

from console.cli.output import UNFINISHED, Exit, ask_tty, clock, give, give_json, iso, say, table

if TYPE_CHECKING:
    from console.live.session import LiveSession
    from console.session import RunShown
    from console.watch.views import RunLine

LOCAL_S, REMOTE_S = 0.25, 2.0
"""A run of this machine is read from the store, at once when that has changed; one that a colleague executes from its
hosts, over SSH."""
BRIEF = 100


class HeldBack:
    """Ctrl-C while a run is being made is kept until somebody follows it: half a start would be followed by nobody."""

    def __init__(self) -> None:
        self._pressed = False
        self._before: Any = None

    def __enter__(self) -> HeldBack:
        self._before = signal.signal(signal.SIGINT, self._press)
        return self

    def __exit__(self, kind: object, error: object, at: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _press(self, number: int, frame: object) -> None:
        self._pressed = True

    def release(self) -> None:
        """From now on it works as ever. Raises KeyboardInterrupt if it was pressed meanwhile."""
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
            self._before = None
        if self._pressed:
            self._pressed = False
            raise KeyboardInterrupt


def follow_to_end(
    session: LiveSession, run_id: str, *, as_json: bool, may_cancel: bool, ctrl_c: HeldBack | None = None
) -> int:
    """Print steps and output until the run has ended or waits for a person; its exit code, 6 while it has none.

    Ctrl-C asks whether to cancel, and then to undo or leave, where `may_cancel`; a second one, or the first of somebody
    who only watches, leaves the run alone and ends with 6. `ctrl_c`: what held it back until here.
    """
    follower, stopped = _Follower(session, run_id), False
    while True:
        try:
            if ctrl_c is not None:
                ctrl_c.release()
            before = session.marks(run_id)  # of what is read now: what comes meanwhile is news
            shown = follower.news()
            if shown.exit_code is not None or (stopped and follower.stopped(shown)):
                break
            # Seen twice: a colleague's runner has given its lock back a moment before its last record is on the hosts.
            stopped = follower.stopped(shown)
            if shown.line.local:
                session.wait_for_change(run_id, before, LOCAL_S)
            else:
                time.sleep(REMOTE_S)
        except KeyboardInterrupt:
            if may_cancel and _asked_to_stay(session, run_id):
                may_cancel = False
                continue
            say(f"The run goes on. Follow it again: quarterdeck runs follow {run_id}")
            if as_json:
                give_json(run_json(session.run(run_id)))
            return UNFINISHED
    if as_json:
        give_json(run_json(shown))
    else:
        give(shown.ending or shown.question or shown.parked or shown.line.state)
        if shown.exit_code is None:
            for word in shown.can:
                say(f"  - {way(word, run_id)}")
    return shown.exit_code if shown.exit_code is not None else UNFINISHED


class _Follower:
    """What of a run has been told already."""

    def __init__(self, session: LiveSession, run_id: str) -> None:
        self._session = session
        self._run_id = run_id
        self._offset = 0
        self._told: dict[str, tuple[str, int]] = {}

    def news(self) -> RunShown:
        """Say what is new: output first, then what became of the steps."""
        shown = self._session.run(self._run_id)  # before the output, so that output of an ended run is all there
        while self._output() and shown.exit_code is not None:
            pass
        for step in shown.steps:
            state = (step.state, step.attempt)
            if self._told.get(step.id) == state or step.state == "waiting":
                continue
            self._told[step.id] = state
            took = f" in {step.took_s:.1f} s" if step.state in ("done", "failed", "undone") else ""
            said = f": {_brief(step.said)}" if step.said and step.state != "running" else ""
            say(f"  {step.state:<8} {step.title}{took}{said}")
        return shown

    def _output(self) -> bool:
        """Say the next of what it has written, at most a megabyte or so; whether there was any."""
        before = self._offset
        for piece in self._session.output(self._run_id, self._offset, None):
            self._offset = piece.offset
            for line in piece.text.splitlines():
                say(f"    {line}")
        return self._offset > before

    @staticmethod
    def stopped(shown: RunShown) -> bool:
        """Whether nobody executes it, it waits for a person, or it is parked."""
        return "resume" in shown.can or bool(shown.question or shown.parked)


QUESTION = """
The run goes on by itself. Cancel the run?
  u  yes, and undo what it did
  l  yes, and leave what it did as it is
  c  yes, and choose once it has stopped, as its step allows
Enter, or Ctrl-C again: no, stop following it. [u/l/c/Enter] """


def _asked_to_stay(session: LiveSession, run_id: str) -> bool:
    """Ask whether to cancel, and what then; whether to go on following. Ctrl-C again, or no terminal: no."""
    try:
        typed = ask_tty(QUESTION).strip().lower()
    except (KeyboardInterrupt, Exit):
        return False
    chosen: dict[str, Literal["undo", "leave"] | None] = {"u": "undo", "l": "leave", "c": None}
    if typed not in chosen:
        return False
    session.cancel(run_id, chosen[typed])
    say("asked it to stop")
    return True


def _brief(text: str) -> str:
    """What fits a line."""
    return text if len(text) <= BRIEF else f"{text[: BRIEF - 1]}…"


def way(word: str, run_id: str) -> str:
    """The command by which a person says a word of `RunShown.can`."""
    if word == "now":
        return f"quarterdeck runs resume {run_id} --now --reason TEXT"
    return f"quarterdeck runs {word} {run_id}"


def state_text(line: RunLine) -> str:
    """The state of a run in a list; of one that is parked, until when."""
    if line.state == "parked":
        return f"parked until {clock(line.until)}"
    if line.state == "parked, due":
        return f"parked, due since {clock(line.until)}; not looked at since {clock(max(line.heard, line.looked))}"
    return line.state


def run_text(shown: RunShown) -> str:
    """A run as text."""
    line = shown.line
    head = [
        f"{line.title or line.action} · {line.environment}",
        f"run {line.id}, by {line.who}{f', {shown.where}' if shown.where else ''}, began {clock(line.started)}"
        + (f": {shown.reason}" if shown.reason else ""),
        f"state: {state_text(line)}",
        *([f"without {', '.join(shown.without)}: nothing is done there"] if shown.without else []),
    ]
    rows = [
        (
            step.state,
            step.title,
            step.host or "here",
            f"{step.took_s:.1f} s" if step.took_s else "",
            _brief(step.said),
        )
        for step in shown.steps
    ]
    parts = [*head, "", table(("STATE", "STEP", "HOST", "TOOK", "EVIDENCE"), rows)]
    if shown.ending:
        parts += ["", shown.ending]
    if shown.question:
        parts += ["", shown.question]
    if shown.parked:
        parts += ["", shown.parked]
    if shown.can:
        parts += ["", "Now: " + ", ".join(way(word, line.id) for word in shown.can)]
    return "\n".join(parts)


def run_json(shown: RunShown) -> dict[str, Any]:
    """A run for machines."""
    from console.watch.kept import dumped

    body: dict[str, Any] = dumped(shown)
    body["line"]["started"] = iso(shown.line.started)
    body["line"]["until"] = iso(shown.line.until)
    return body

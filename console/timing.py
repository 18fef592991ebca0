"""Every duration the console waits for, in one value, so that tests can run at a tenth of it.

All figures are seconds. Sources: DESIGN section 4 for lease, lock, proof and gate; the deadlines of an SSH
connection were measured against OpenSSH 9.2 (paramiko's own channel deadline is an hour, and its keepalive counts no
answer, so both are ours).
"""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass


def boot_clock() -> float:
    """Seconds that go on while this process is stopped and while the machine sleeps, and that nobody can set."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass(frozen=True, slots=True)
class Timing:
    """Durations in seconds. `scaled` makes a faster copy for tests."""

    lease_s: float = 15.0
    """A runner that has not renewed its lease for so long is taken for dead."""
    heartbeat_s: float = 5.0
    """How often a runner renews its lease and its locks."""
    lock_dead_s: float = 60.0
    """A lock whose heartbeat is older than this, by the host's own clock, may be taken over."""
    proof_s: float = 5.0
    """An effect needs proof no older than this that the first host's lock still names this run."""
    gate_wait_s: float = 30.0
    """How long a taker waits for the gate: proof that nothing of the old owner still runs."""
    connect_s: float = 10.0
    banner_s: float = 20.0
    auth_s: float = 20.0
    channel_s: float = 10.0
    """How long opening one channel on a live connection may take."""
    probe_every_s: float = 4.0
    """How often a connection in use is asked whether its peer is still there."""
    probe_answer_s: float = 6.0
    """No answer for so long: the host is dead. Together with probe_every_s below the budget of 15 s."""
    read_s: float = 20.0
    """Default deadline of a command that only reads."""
    poll_s: float = 0.5
    """How often a health or readiness check looks again."""
    settle_s: float = 30.0
    """How long a changed password or key may take until it is accepted, or refused, everywhere."""
    undo_patience_s: float = 45.0
    """For how long an undo that does not work is tried again before a person is called. An engine that was restarted
    is back by then: Docker 20.10 gives its containers ten seconds to end, and takes a few to begin."""
    follow_s: float = 0.25
    """How often a viewer looks for new records and new output."""
    decision_s: float = 900.0
    """How long a runner that has asked a question waits for the answer before it leaves; the run can be resumed."""
    parked_s: float = 2.0
    """How often a runner that waits without its environment looks whether it is to go on."""
    retake_s: float = 10.0
    """How often it tries again to take an environment that somebody else holds."""
    term_s: float = 5.0
    """From SIGTERM to SIGKILL when a command's process group is ended."""

    def scaled(self, factor: float) -> Timing:
        """A copy in which every duration is multiplied by `factor` (0.1 in most tests)."""
        return Timing(**{f.name: getattr(self, f.name) * factor for f in dataclasses.fields(self)})


SCALE = "QUARTERDECK_TIMING_SCALE"
"""For tests only: a number by which the durations of ownership, and of what is tried again, are multiplied, so that a
dead lock is dead sooner."""
SCALED = ("lease_s", "heartbeat_s", "lock_dead_s", "parked_s", "retake_s", "undo_patience_s")


def chosen(environ: Mapping[str, str]) -> Timing:
    """The durations of this process: the ordinary ones, or quicker ownership for a test (0.05 to 1).

    Deadlines of connections and commands stay: a busy machine needs them. Raises ValueError for another number.
    """
    text = environ.get(SCALE)
    if text is None:
        return Timing()
    factor = float(text)
    if not 0.05 <= factor <= 1.0:
        raise ValueError(f"{SCALE} is {text}; it must be 0.05 to 1")
    usual = Timing()
    return dataclasses.replace(usual, **{name: getattr(usual, name) * factor for name in SCALED})


DEFAULT = chosen(os.environ)

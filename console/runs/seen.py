"""A run as it stands: what its records say, who executes it now, and what may be asked of it."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from console.runs.lease import Process, boot_id
from console.runs.model import WORDS, Parked, RunView
from console.timing import boot_clock

if TYPE_CHECKING:
    from console.runs.locks import Held
    from console.store.records import Record

CLOCK_SET_S = 10.0
"""Clocks that are further apart than they were: one of them was set."""
PARKED, DUE = "parked", "parked, due"
"""States of a run that waits without its environment; `DUE`: it could go on, and nobody does."""


def left_s(parked: Parked) -> float:
    """Seconds until a wait is over, by the clocks of this machine; 0 once it is."""
    return parked.left_s(time.time(), boot_clock(), boot_id())


@dataclass(frozen=True, slots=True)
class Seen:
    """A run and who executes it now."""

    view: RunView
    holder: Process | None
    """The living runner on this machine's store, or None."""
    elsewhere: bool = False
    """Its lock on the hosts is beaten by a runner that is not of this store."""
    foreign: bool = False
    """It was not made in this store: its plan came from a host, and nobody here has seen it."""
    there: tuple[Record, ...] = ()
    """Its chain as the hosts have it, where that is more than the store's: shown, and not taken into the store."""
    gives_way: int = 0
    """How many of the store's records the hosts have others for, if that chain is taken into the store."""
    lock: Held | None = None
    """Its lock on the hosts, where that was looked at and is there."""
    heard: float = 0.0
    """When its runner was last heard of, unix seconds: a record of it, or its lease renewed."""
    looked: float = 0.0
    """When `quarterdeck wake` last looked at it without being able to go on; 0: never."""
    claimed: bool = False
    """It has the claim on its environment, in this store: it is parking, or goes on from that."""
    waits: str = ""
    """Why its runner does not go on with it, or did not, though its wait is over, in a sentence."""
    frozen: Process | None = None
    """Its runner, where that lives on this machine and has not been heard of for long: whoever goes on ends it."""
    silent: tuple[str, ...] = ()
    """Hosts of it that were asked what they know, and did not answer."""

    @property
    def idle(self) -> bool:
        """Whether it has no end, and nobody executes it as far as is known."""
        return self.view.state != "closed" and self.holder is None and not self.elsewhere

    @property
    def parked(self) -> Parked | None:
        """Its wait, where it is in it, without its environment, and nobody has decided otherwise."""
        view = self.view
        if view.parked is None or view.decided or self.elsewhere:
            return None
        # That the locks have gone is recorded after it: a claim, and a lock that was looked for, tell it sooner.
        freed = not self.claimed and (view.unlocked or self.lock is None)
        return view.parked if freed else None

    @property
    def left_s(self) -> float:
        """Seconds until its wait is over; 0 where it is, or there is none."""
        return left_s(self.parked) if self.parked is not None else 0.0

    @property
    def until(self) -> float:
        """When its wait is over, by the time of day as it is now (it may have been set); 0 where it is not parked."""
        if self.parked is None:
            return 0.0
        now = time.time() + self.left_s
        set_since = self.left_s > 0 and abs(now - self.parked.until) > CLOCK_SET_S
        return float(round(now / 10) * 10) if set_since else self.parked.until

    @property
    def rests(self) -> bool:
        """Whether nothing happens with it now, since it is parked: it is not over, nobody is there, or it waits."""
        return self.parked is not None and bool(self.left_s > 0 or self.holder is None or self.waits)

    @property
    def state(self) -> str:
        """Its state in a word: the ending, `running`, `undoing`, `waiting for you`, `interrupted`, `parked`…

        `waiting for unlock`: its last runner found the keyring locked; `resume` asks for the passphrase.
        """
        view = self.view
        if view.state == "closed" and view.ending is not None:
            return WORDS[view.ending]
        if self.parked is not None:
            return DUE if self.holder is None and self.left_s <= 0 else PARKED
        if self.holder is not None or self.elsewhere:
            if view.question:
                return "waiting for you"
            return "undoing" if view.state == "undoing" or view.undo_wanted else "running"
        if view.state == "created":
            return "created, not begun"
        if view.question:
            return "waiting for you"
        return "waiting for unlock" if view.interrupted and view.interrupted.get("unlock") else "interrupted"

    @property
    def take_over(self) -> str:
        """Whose dead lock whoever goes on with it takes over, in words; empty where it is nobody else's.

        What a runner of this store and this machine left is nobody else's, also after the machine was started anew.
        """
        if self.lock is None or self.elsewhere or self.holder is not None or self.view.state == "closed":
            return ""
        owner = self.lock.owner
        if owner.gone or (owner.machine == socket.gethostname() and not self.foreign and not self.there):
            return ""
        return f"{owner.who}, of whom nothing was heard for {self.lock.age_s:.0f} s"

    @property
    def rebooted(self) -> bool:
        """Whether nobody executes it because this machine was started anew since its runner began."""
        owner = self.view.owner or {}
        boot = str(owner.get("boot", "")).partition(" ")[0]
        here = owner.get("machine") == socket.gethostname()
        return bool(self.idle and here and boot and boot != boot_id().partition(" ")[0])

    @property
    def _asks(self) -> bool:
        """Whether a step is going on that a second, confirmed cancel would end (`cancel="ask"`)."""
        asking = {step["id"] for step in self.view.body["plan"]["steps"] if step.get("cancel") == "ask"}
        return any(step.state == "running" and step.id in asking for step in self.view.steps.values())

    @property
    def can(self) -> tuple[str, ...]:
        """What may be asked of it now: cancel, undo, resume, leave, now (the rest of its wait is skipped)."""
        view = self.view
        if view.pruned:
            return ()
        if view.state == "closed":
            return ("undo",) if view.ending in ("succeeded", "cancelled-left", "needs-human") else ()
        if self.parked is not None:
            waits = self.left_s > 0
            stuck = self.holder is None or (self.waits and not waits)  # perhaps without the host that it waits for
            resume = ("resume",) if stuck else ()
            cancel = ("cancel",) if self.holder is not None else ()
            return (*resume, *(("now",) if waits else ()), *cancel, *(("undo",) if view.changed else ()), "leave")
        if self.holder is not None or self.elsewhere:
            if view.question:
                return view.choices
            if view.undo_wanted:
                return ()
            return ("cancel",) if view.cancel is None or (self._asks and not view.cancel.get("force")) else ()
        return ("resume", "undo", "leave") if view.changed or view.question else ("resume", "leave")

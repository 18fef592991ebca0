"""What a run waits for, in words: until when it is parked, why nobody executes it, which hosts do not answer. Pure."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from console.runs.left_out import later_way_out
from console.runs.model import WORDS
from console.text.sanitise import clean, clean_lines
from console.text.times import clock
from console.timing import DEFAULT

if TYPE_CHECKING:
    from console.runs.client import Seen


def lines_of(text: str) -> str:
    """Several lines from outside, each sanitised."""
    return "\n".join(clean_lines(text))


def joined(*parts: str) -> str:
    """Those that say something, a line each."""
    return "\n".join(part for part in parts if part)


def until(seen: Seen) -> str:
    """Until when it is parked; empty where it is not."""
    return f"until {clock(seen.until)}" if seen.parked is not None else ""


def parked_text(seen: Seen) -> str:
    """Until when a run is parked and who goes on then, or why nothing happens though it is due; empty otherwise."""
    if not seen.rests:
        return ""
    where = seen.view.environment
    if seen.left_s > 0:
        kept = ", ".join(name for name in seen.view.body["plan"]["claims"] if name != f"environment:{where}")
        if seen.holder is not None:
            then = "Its runner waits, and then goes on by itself."
        elif seen.foreign:
            then = "Whether a runner elsewhere waits for that cannot be seen from here."
        else:
            then = "No runner waits for that: `quarterdeck wake` goes on then, or `runs resume` lets one wait now."
        free = f"{where} is free meanwhile" + (f"; it keeps {kept}" if kept else "")
        return f"Parked until {clock(seen.until)} (in {_span(seen.left_s)}). {free[:1].upper()}{free[1:]}.\n{then}"
    if seen.holder is not None:
        return f"Due since {clock(seen.until)}; {seen.waits}"
    heard = clock(max(seen.heard, seen.looked))
    looked = f"`quarterdeck wake` looked at {heard}" if seen.looked > seen.heard else f"not looked at since {heard}"
    before = f"\nIts last runner stopped: {seen.waits}" if seen.waits else ""
    return f"Due since {clock(seen.until)}; {looked}. Go on with it, take it back, or leave it as it is.{before}"


def _span(seconds: float) -> str:
    """`25 min`: one unit, rounded up, so that nothing is said to be over that is not."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds > 2 * size:
            return f"{-(-seconds // size):.0f} {unit}"
    return f"{-(-seconds // 1):.0f} s"


def waits_for(seen: Seen) -> str:
    """Why nobody executes a run that has no end, what can be decided of it, and since when nobody has looked."""
    if seen.state not in ("interrupted", "waiting for unlock"):
        return ""
    known, undoing = seen.view.interrupted, seen.view.taken_back
    back = " It was being taken back."
    if seen.frozen is not None:
        why = (
            f"Its runner, the process {seen.frozen.pid}, does not move any more: it was stopped, most likely. "
            f"Whoever decides anything here ends it first, if it does not go on within {DEFAULT.lease_s:g} s."
        )
    elif known:
        why = lines_of(str(known.get("why", "")))
    elif seen.view.parked is not None:
        why = "Its runner died while it was parking, or taking its environment again."
    elif seen.rebooted:
        why = "This machine was started anew while it went on."
    else:
        why = "Its runner died while it took the run back." if undoing else "Its runner died before it had ended."
        back = ""
    decided = "Go on with it, take it back, or leave it as it is."
    if seen.view.state == "closing" and seen.view.ending is not None:
        ended = WORDS[seen.view.ending]
        why = f"The run had come to its end ({ended}), and its runner died before it gave the locks back."
        decided = "Resume does that, and nothing else."
    if undoing:
        decided = f"{back} Resume finishes the undo; or leave it as it is.".lstrip()
    away = later_way_out(seen.view.id, seen.view.hosts, clean(str((known or {}).get("host", ""))))
    return joined(f"{why} {decided}", away, f"{last_looked(seen)}.")


def last_looked(seen: Seen) -> str:
    """When its runner was last heard of; or `wake` looked at it since, and left it to a person."""
    at = time.strftime("%H:%M:%S on %Y-%m-%d", time.localtime(max(seen.heard, seen.looked)))
    if seen.looked > seen.heard:
        return f"`quarterdeck wake` looked at {at}"
    return f"Its runner was last heard of at {at}"


def silent(seen: Seen) -> str:
    """Which of its hosts do not answer just now, and how it is decided without them."""
    names = [name for name in seen.silent if name in seen.view.hosts]
    told = (seen.view.interrupted or {}).get("host") if seen.state == "interrupted" else None
    if not names or set(names) >= set(seen.view.hosts) or names == [told]:
        return ""
    who, does = (names[0], "does") if len(names) == 1 else (" and ".join(names), "do")
    left = "".join(f" --without {name}" for name in names)
    return (
        f"{clean(who)} {does} not answer. To do without: quarterdeck runs resume|undo|leave {seen.view.id}{clean(left)}"
    )


def gives_way(seen: Seen) -> str:
    """What happens to the store's own records, where the hosts have others; a person who decides must know."""
    if not seen.gives_way or seen.elsewhere:
        return ""
    return (
        f"Shown is what the hosts say: somebody went on with this run, and the last {seen.gives_way} records of this "
        "machine are not among theirs. If you decide anything here, those give way, and are kept in the audit."
    )

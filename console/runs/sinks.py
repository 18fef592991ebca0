"""Where else the head of the audit goes: this machine's system log, a webhook. Only the head: a number, two hashes and
a signature, so that whoever keeps them can tell later whether the audit was cut off or written anew.

A sink that fails stops nothing. It is said in the run's output, remembered, and shown by `doctor` until it works again.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from console.runs import audit
from console.store.database import StoreUnusable
from console.store.places import PlaceUnusable
from console.store.records import Record, Records
from console.store.signing import KeyUnusable

if TYPE_CHECKING:
    from profiles.models import AuditSinks

DEADLINE_S = 5.0
PRIORITY = 10 * 8 + 5
"""authpriv.notice, which every syslog keeps and only root reads."""


def words(record: Record, who: str) -> str:
    """A checkpoint in one line that a person, and a script, can read."""
    body = record.body or {}
    return (
        f"quarterdeck audit of {who}: record {body.get('seq')} is {body.get('head')} "
        f"key {body.get('key')} signature {body.get('signature')}"
    )


def tell(records: Records, sinks: AuditSinks | None, secret: Callable[[str], str], who: str) -> list[str]:
    """Give the newest head to every sink of the profile; sentences about those that did not take it.

    *Blocking*, for a few seconds at most where a sink hangs.
    """
    if sinks is None:
        return []
    try:
        record = audit.seal(records)
    except (StoreUnusable, KeyUnusable, PlaceUnusable) as error:
        return [f"The audit could not be sealed: {error}"]
    if record is None:
        return []
    failed = []
    text = words(record, who)
    if sinks.syslog:
        failed += _told(records, "syslog", lambda: to_syslog(text, sinks.syslog_socket))
    if sinks.webhook is not None:
        ref = sinks.webhook
        failed += _told(records, "webhook", lambda: to_webhook(text, record, secret(ref.secret)))
    return failed


def _told(records: Records, name: str, call: Callable[[], str]) -> list[str]:
    try:
        problem = call()
    except Exception as error:  # noqa: BLE001 - the keyring's errors, whichever back end: each has a sentence
        problem = str(error) if getattr(error, "exit_code", None) is not None else type(error).__name__
    with suppress(StoreUnusable):
        if problem or records.remembered(sink_key(name)) is not None:
            records.remember(sink_key(name), {"at": time.time(), "problem": problem})
    return [f"The head of the audit was not taken by the {name}: {problem}"] if problem else []


def sink_key(name: str) -> str:
    """Where the store remembers how a sink did last."""
    return f"audit-sink:{name}"


def troubles(records: Records) -> list[str]:
    """Sentences about the sinks that did not take the last head. Raises StoreUnusable."""
    said = []
    for name in ("syslog", "webhook"):
        last = records.remembered(sink_key(name))
        if isinstance(last, dict) and last.get("problem"):
            at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(float(last.get("at", 0))))
            said.append(f"the audit's {name} did not take the head of {at}: {last['problem']}")
    return said


def to_syslog(text: str, path: str) -> str:
    """Send a line to the system log's socket; why that failed, or an empty text."""
    stamp = time.strftime("%b %e %H:%M:%S")
    line = f"<{PRIORITY}>{stamp} quarterdeck[{os.getpid()}]: {text}".encode()
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(socket.AF_UNIX, kind) as sink:
            sink.settimeout(DEADLINE_S)
            try:
                sink.connect(path)
                sink.sendall(line if kind == socket.SOCK_DGRAM else line + b"\0")
            except OSError as error:
                problem = f"{path}: {error.strerror or error}."
                continue
        return ""
    return problem


def to_webhook(text: str, record: Record, url: str) -> str:
    """POST a line, and the checkpoint as it is; why that failed, or an empty text.

    The address is itself a secret, so nothing of it, nor of an error that quotes it, is in the answer.
    """
    import requests

    if not url.startswith(("https://", "http://")):
        return "its credential is no https address."
    body = {"text": text, "checkpoint": dict(record.body or {}), "at": record.at}
    try:
        with requests.post(url, json=body, timeout=DEADLINE_S, allow_redirects=False, stream=True) as answer:
            code = answer.status_code
    except requests.exceptions.Timeout:
        return f"it did not answer within {DEADLINE_S:g} s."
    except requests.exceptions.SSLError:
        return "its certificate is not one that this machine trusts."
    except (requests.exceptions.RequestException, ValueError) as error:
        return f"it was not reached ({type(error).__name__})."
    return "" if 200 <= code < 300 else f"it answered {code}."

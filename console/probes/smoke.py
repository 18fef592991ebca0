"""Smoke tests: HTTP steps as data, run in order, each passing values on to the next.

Log in, use the token, log out, then 401; submit a job and poll it. Called by the handler of `http.smoke@1` during a run
and by the checklist's probes. What a step saves (a token) is a secret of the moment: evidence never shows it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import httpx

from console.probes.request import (
    SECRET_ERRORS,
    Masked,
    NoAnswer,
    NotAsked,
    Reply,
    Request,
    Secrets,
    failures,
    filled,
    filled_expect,
    filled_in,
    filled_match,
    login_headers,
    quote,
    send,
    text_or_secret,
)
from profiles.jsonpath import lookup
from profiles.models import SmokeStep
from profiles.web import Match

Verdict = Literal["yes", "no", "unknown"]
MASKED = 8
"""Characters of a saved value from which on it is masked: shorter ones (a state, a number) stand in every text."""


@dataclass(frozen=True, slots=True)
class StepResult:
    """How one smoke step went."""

    name: str
    verdict: Verdict
    evidence: str
    took_ms: float


class _Values(Masked):
    """Variables of the run; masked is also what steps saved, which may be tokens."""

    def __init__(self, given: Mapping[str, str], secrets: Secrets) -> None:
        super().__init__(secrets)
        self.known = dict(given)
        self._saved: dict[str, str] = {}

    def hide_saved(self, step: SmokeStep, reply: Reply) -> None:
        """From now on what this step would save is masked, also where the step then fails."""
        for name, path in step.save.items():
            found, value = lookup(path, reply.document)
            if found and len(str(value)) >= MASKED:
                self._saved[name] = str(value)
                self.hide(f"saved:{name}", str(value))

    def masked(self, text: str) -> str:
        for name, value in self._saved.items():
            text = text.replace(value, f"<saved:{name}>")
        return super().masked(text)


def run_smoke(
    steps: Sequence[SmokeStep],
    *,
    variables: Mapping[str, str],
    secrets: Secrets,
    client: Callable[[str | None, str | None], httpx.Client],
    say: Callable[[str], None] = lambda text: None,
    sleep: Callable[[float], None] = time.sleep,
    stop: Callable[[], bool] = lambda: False,
    left_s: Callable[[], float] = lambda: 3600.0,
) -> list[StepResult]:
    """Run the steps in order and stop at the first that does not pass.

    `client` gives the HTTP client for (via host, CA file). `left_s` says how many seconds remain for all of them; a
    step that would begin after that is unknown. `stop` is asked between requests.
    """
    values = _Values(variables, secrets)
    results: list[StepResult] = []
    for step in steps:
        if stop() or left_s() <= 0:
            results.append(
                StepResult(step.name, "unknown", "not asked: " + ("cancelled" if stop() else "out of time"), 0)
            )
            break
        began = time.monotonic()
        verdict, evidence = _one(step, values, client, sleep, stop, left_s)
        result = StepResult(step.name, verdict, values.masked(evidence), (time.monotonic() - began) * 1000)
        results.append(result)
        say(f"smoke {step.name}: {WORDS[verdict]} in {result.took_ms:.0f} ms: {result.evidence}")
        if verdict != "yes":
            break
    return results


WORDS: Mapping[Verdict, str] = {"yes": "passed", "no": "FAILED", "unknown": "unknown"}


def _one(
    step: SmokeStep,
    values: _Values,
    client: Callable[[str | None, str | None], httpx.Client],
    sleep: Callable[[float], None],
    stop: Callable[[], bool],
    left_s: Callable[[], float],
) -> tuple[Verdict, str]:
    try:
        request = _request(step, values.known, values.secret)
        http = client(step.via, step.ca)
    except (*SECRET_ERRORS, OSError) as error:
        return "unknown", f"not asked: {error}"
    ends = time.monotonic() + min(step.poll.deadline if step.poll else step.timeout, left_s())
    while True:
        try:
            reply = send(http, request, max(0.1, min(step.timeout, ends - time.monotonic())))
        except NotAsked as error:
            return "unknown", str(error)
        except NoAnswer as error:
            return "no", f"{error}"
        values.hide_saved(step, reply)
        wrong = failures(filled_expect(step.expect, values.known), reply, values.masked)
        if wrong:
            return "no", f"{request.method} {request.url}: " + "; ".join(wrong)
        if step.poll is None:
            break
        over = _polled(step, reply, values.known)
        if over == "yes":
            break
        if over == "no":
            return "no", f"{request.url} ended badly: {quote(reply.text, values.masked)}"
        if stop():
            return "unknown", "cancelled while polling"
        if time.monotonic() + step.poll.every > ends:
            return (
                "no",
                f"{request.url} was not done within {step.poll.deadline:g} s: {quote(reply.text, values.masked)}",
            )
        sleep(step.poll.every)
    for name, path in step.save.items():
        found, value = lookup(path, reply.document)
        if not found:
            return "no", f"{request.url}: {path} is not in the answer, and later steps need it as {{{name}}}"
        values.known[name] = str(value)
    return "yes", f"{request.method} {request.url}: HTTP {reply.status}"


def _polled(step: SmokeStep, reply: Reply, known: Mapping[str, str]) -> Verdict:
    """yes: what was waited for; no: the failure was reached; unknown: go on asking."""
    if step.poll is None:
        return "yes"

    def fits(path: str, match: Match) -> bool:
        return filled_match(match, known).failure(*lookup(path, reply.document)) is None

    if any(fits(path, match) for path, match in step.poll.fail.items()):
        return "no"
    if all(fits(path, match) for path, match in step.poll.until.items()):
        return "yes"
    return "unknown"


def _request(step: SmokeStep, variables: Mapping[str, str], secrets: Secrets) -> Request:
    headers = {name: text_or_secret(value, variables, secrets) for name, value in step.headers.items()}
    form = {name: text_or_secret(value, variables, secrets) for name, value in step.form.items()} if step.form else None
    return Request(
        method=step.method,
        url=filled(step.url, variables),
        headers={**login_headers(step.auth, secrets), **headers},
        body=filled_in(step.body, variables, secrets),
        form=form,
    )

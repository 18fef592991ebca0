"""One HTTP request with expectations: what probes and smoke tests are made of.

Lives under `smoke` and `look`; knows the profile's words (Expect, Match, Auth) and nothing of runs. A request that gets
no answer is a failure of the service; a request that could not be sent because the host in between is gone is unknown.
"""

from __future__ import annotations

import json
import re
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
from pydantic import JsonValue

from console.credentials.errors import CredentialError
from console.environment import FieldMissing
from console.hosts.base import ForwardFailed, HostError, LoginRefused
from console.text.redact import Redactor
from console.text.sanitise import clean
from console.text.secret import Secret
from profiles.jsonpath import lookup
from profiles.models import Auth, Expect, SecretName
from profiles.web import Match

BODY_LIMIT = 2 * 1024 * 1024
"""Bytes of an answer that are read; more is a failure, not a cut answer."""
SHOWN = 200
"""Characters of a body that evidence shows."""

Secrets = Callable[[str, str | None], str]
"""Gives a credential's value, or one field of it, by name."""


SECRET_ERRORS = (CredentialError, FieldMissing)
"""What asking for a secret may end with; each is a sentence that holds no secret."""


class Masked:
    """Gives secrets, and takes those that it gave out of evidence: a server may say back what it was sent.

    Before anything is cut to size, since half a secret is found by nobody afterwards.
    """

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._redactor = Redactor()

    def secret(self, name: str, field: str | None) -> str:
        """See `Secrets`."""
        value = self._secrets(name, field)
        self.hide(name, value)
        return value

    def hide(self, name: str, value: str) -> None:
        """From now on `value` is masked, in whatever encoding."""
        self._redactor.add(name, Secret(value))

    def masked(self, text: str) -> str:
        """`text` without them."""
        return self._redactor.text(text)


class NotAsked(Exception):
    """The request could not be sent: nothing is known about the service. A sentence."""


class NoAnswer(Exception):
    """The request got no whole answer. A sentence that says how far it came."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent. All text is final: variables and secrets are worked in."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: JsonValue = None
    form: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back."""

    status: int
    text: str
    took_ms: float
    document: JsonValue = None
    is_json: bool = False


_VARIABLE = re.compile(r"(?<!\{)\{([A-Za-z_][A-Za-z0-9_.-]*)\}(?!\})")


def filled(text: str, variables: Mapping[str, str]) -> str:
    """The text with `{name}` replaced. A name that is not known stays: the loader has refused those in profiles."""
    return _VARIABLE.sub(lambda found: variables.get(found[1], found[0]), text)


def filled_in(value: JsonValue, variables: Mapping[str, str], secrets: Secrets) -> JsonValue:
    """A JSON value with variables and `{secret: NAME}` worked in, wherever they stand."""
    if isinstance(value, str):
        return filled(value, variables)
    if isinstance(value, list):
        return [filled_in(one, variables, secrets) for one in value]
    if isinstance(value, dict):
        if "secret" in value and set(value) <= {"secret", "field"}:
            name = SecretName.model_validate(value)
            return secrets(name.secret, name.field)
        return {key: filled_in(one, variables, secrets) for key, one in value.items()}
    return value


def filled_expect(expect: Expect, variables: Mapping[str, str]) -> Expect:
    """What an answer must be, with `{name}` replaced in values, texts and patterns."""
    values = {path: filled_match(match, variables) for path, match in expect.values.items()}
    return expect.model_copy(update={"values": values, "text": tuple(filled(one, variables) for one in expect.text)})


def filled_match(match: Match, variables: Mapping[str, str]) -> Match:
    """The same for one value; what is put into a pattern stands for itself there."""
    update: dict[str, Any] = {}
    if match.value is not None:
        update["value"] = _filled_value(match.value, variables)
    if match.regex is not None:
        update["regex"] = filled(match.regex, {name: re.escape(value) for name, value in variables.items()})
    return match.model_copy(update=update)


def _filled_value(value: JsonValue, variables: Mapping[str, str]) -> JsonValue:
    if isinstance(value, str):
        return filled(value, variables)
    if isinstance(value, list):
        return [_filled_value(one, variables) for one in value]
    if isinstance(value, dict):
        return {key: _filled_value(one, variables) for key, one in value.items()}
    return value


def text_or_secret(value: str | SecretName, variables: Mapping[str, str], secrets: Secrets) -> str:
    """A header's or form field's text."""
    return secrets(value.secret, value.field) if isinstance(value, SecretName) else filled(value, variables)


def login_headers(auth: Auth | None, secrets: Secrets) -> dict[str, str]:
    """The Authorization header of a login, or none."""
    if auth is None:
        return {}
    if auth.bearer is not None:
        return {"Authorization": f"Bearer {secrets(auth.bearer.secret, auth.bearer.field)}"}
    if auth.basic is not None:
        import base64

        pair = f"{auth.basic.username}:{secrets(auth.basic.password.secret, auth.basic.password.field)}"
        return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
    return {}


def send(client: httpx.Client, request: Request, timeout_s: float) -> Reply:
    """Send it and read the whole answer within `timeout_s`. Raises NotAsked, NoAnswer."""
    began = time.monotonic()
    try:
        with client.stream(
            request.method,
            request.url,
            headers=dict(request.headers),
            json=request.body if request.body is not None else None,
            data=dict(request.form) if request.form is not None else None,
            timeout=timeout_s,
        ) as response:
            body = bytearray()
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > BODY_LIMIT:
                    raise NoAnswer(f"{request.url} sent more than {BODY_LIMIT} bytes")
                if time.monotonic() - began > timeout_s:
                    raise NoAnswer(f"{request.url} was still sending after {timeout_s:g} s")
            took = (time.monotonic() - began) * 1000
            return _reply(response.status_code, _text(bytes(body), response.encoding or "utf-8"), took)
    except (httpx.LocalProtocolError, UnicodeEncodeError):
        # Neither its words nor the error itself go on: they quote the header, which may be a credential.
        raise NotAsked(
            f"{request.url} was not asked: a header cannot be sent as it stands. Is there a line break, or a letter "
            "that is not ASCII, in a credential that it uses?"
        ) from None
    except httpx.TimeoutException as error:
        raise NoAnswer(f"{request.url} did not answer within {timeout_s:g} s") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        if (host := _host_error(error)) is not None:
            if isinstance(host, ForwardFailed):  # the host is there, and nothing answers at the address
                raise NoAnswer(f"{request.url} gave no answer: {clean(str(host))}") from error
            if isinstance(host, LoginRefused):  # no answer about the service: whoever asks has lost its way in
                raise host from error
            raise NotAsked(str(host)) from error
        if (problem := _tls_problem(error)) is not None:
            raise NoAnswer(f"the certificate of {request.url} is not accepted: {problem}") from error
        raise NoAnswer(f"{request.url} gave no answer: {clean(str(error)) or type(error).__name__}") from error


def _text(body: bytes, encoding: str) -> str:
    """The body as text. The server names the encoding: some that Python knows are of no text, or raise all the same."""
    try:
        return body.decode(encoding, "replace")
    except (LookupError, ValueError):
        return body.decode("utf-8", "replace")


def _reply(status: int, text: str, took_ms: float) -> Reply:
    try:
        return Reply(status, text, took_ms, json.loads(text), True)
    except (ValueError, RecursionError):
        return Reply(status, text, took_ms)


def _host_error(error: BaseException | None) -> HostError | None:
    for _ in range(10):
        if error is None or isinstance(error, HostError):
            return error
        error = error.__cause__ or error.__context__
    return None


def _tls_problem(error: BaseException | None) -> str | None:
    for _ in range(10):
        if error is None:
            return None
        if isinstance(error, ssl.SSLCertVerificationError):
            return clean(error.verify_message)
        error = error.__cause__ or error.__context__
    return None


def failures(expect: Expect, reply: Reply, mask: Callable[[str], str] = str) -> list[str]:
    """What is not as expected, each as a clause; empty where all is well.

    `mask` takes out of the answer what must not be shown, before anything of it is cut to size.
    """
    wrong: list[str] = []

    def quoted() -> str:
        return f" (it said: {shown})" if (shown := quote(reply.text, mask)) else ""

    if reply.status not in expect.status:
        wanted = " or ".join(str(one) for one in expect.status)
        wrong.append(f"HTTP {reply.status} and should be {wanted}{quoted()}")
    if expect.values and not reply.is_json:
        wrong.append(f"the answer is not JSON{quoted()}")
    elif expect.values:
        for path, match in expect.values.items():
            found, value = lookup(path, reply.document)
            if (problem := match.failure(found, value)) is not None:
                if isinstance(value, str) and (masked := mask(value)) != value:
                    problem = match.failure(found, masked) or "is not as expected"
                wrong.append(f"{path} {clean(mask(problem))}")
    wrong.extend(f"the answer does not hold {text!r}{quoted()}" for text in expect.text if text not in reply.text)
    if expect.max_ms is not None and reply.took_ms > expect.max_ms:
        wrong.append(f"took {reply.took_ms:.0f} ms and should take at most {expect.max_ms:g} ms")
    return wrong


def quote(body: str, mask: Callable[[str], str] = str) -> str:
    """The beginning of a body as evidence shows it: masked first, so that no cut leaves half a secret."""
    return clean(" ".join(mask(body).split())[:SHOWN])

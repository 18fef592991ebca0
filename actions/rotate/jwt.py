"""JSON web tokens, made here to see which secret a service verifies with: signed, sent, and the answer's status judged.

A token lives a minute and says whatever the profile's probe says. With fields `kid` and `key` the credential names its
key, and so does the token.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from typing import Any

from actions.rotate.looks import Look, Seen
from actions.rotate.values import text
from console.runs.api import OpContext
from profiles.models import JwtRotation

LIFE_S = 60
LEEWAY_S = 30
"""A token is valid from so long ago: a host's clock may be behind ours."""
EACH_S = 15.0
_HASHES = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}


def how(rotation: JwtRotation, host: str) -> dict[str, Any]:
    """The look on one host, as JSON."""
    return {"by": "jwt", "host": host, "algorithm": rotation.algorithm, **rotation.probe.model_dump(mode="json")}


def key_of(value: str) -> tuple[str, str]:
    """The id of the key ("" for none) and the key: a value may be an object with `kid` and `key`, or the key alone."""
    try:
        body = json.loads(value)
    except ValueError:
        body = None
    if isinstance(body, dict) and isinstance(body.get("key"), str):
        return str(body.get("kid", "")), body["key"]
    return "", value


def token(value: str, algorithm: str, claims: Mapping[str, Any], now: float) -> str:
    """A signed token (RFC 7519). Pure."""
    kid, key = key_of(value)
    head = {"alg": algorithm, "typ": "JWT", **({"kid": kid} if kid else {})}
    body = {**claims, "iat": int(now) - LEEWAY_S, "exp": int(now) + LIFE_S}
    signed = ".".join(_word(json.dumps(part, separators=(",", ":")).encode()) for part in (head, body))
    return f"{signed}.{_word(hmac.digest(key.encode(), signed.encode(), _HASHES[algorithm]))}"


def _word(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def see(ctx: OpContext, how: Mapping[str, Any], value: str) -> Seen:
    """Ask on the host itself, past whatever stands before it, with a token that is signed with this value."""
    import httpx

    from console.hosts.http import client

    made = token(value, how["algorithm"], how["claims"], time.time())
    word = f"{how['scheme']} {made}" if how["scheme"] else made
    url = f"http://{how['address']}:{how['port']}{how['path']}"
    try:
        with client(ctx.environment.hosts[how["host"]], timeout_s=EACH_S) as asking:
            status = asking.get(url, headers={how["header"]: word}).status_code
    except (httpx.HTTPError, OSError) as error:
        return Seen("unknown", f"{how['host']} did not answer: {error}")
    return judged(status, how)


def judged(status: int, how: Mapping[str, Any]) -> Seen:
    """What a status means. Pure."""
    said = f"{how['host']} answered {status}"
    if status == how["accepted"]:
        return Seen("accepted", said)
    return Seen("refused" if status == how["refused"] else "unknown", said)


def made_up(how: Mapping[str, Any], value: str) -> str:
    """Another key; with the id of the real one, so that it is the signature that is refused."""
    kid, _ = key_of(value)
    key = text(43)
    return json.dumps({"kid": kid, "key": key}) if kid else key


LOOK = Look(see, made_up)

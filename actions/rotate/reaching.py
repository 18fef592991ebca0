"""Services that are reached by HTTP: a Grafana account, and the address of a webhook. By their documented APIs.

Tried against stand-ins only: neither is to be had in the lab.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from actions.rotate.looks import Look, Seen
from actions.rotate.values import text
from console.runs.api import Op, OpContext, OpHandler, Outcome
from console.text.secret import Label, labelled

if TYPE_CHECKING:
    import httpx

EACH_S = 20.0
_BUSY = (408, 425, 429)


def opened(ctx: OpContext, how: Mapping[str, Any]) -> httpx.Client:
    """A client by the way that the profile gives. Raises OSError for a certificate file that cannot be used."""
    from console.hosts.http import client

    host = ctx.environment.hosts[how["via"]] if how.get("via") else None
    return client(host, timeout_s=EACH_S, ca_file=how.get("ca"))


# --- Grafana ---------------------------------------------------------------------------------------------------------


def see_grafana(ctx: OpContext, how: Mapping[str, Any], value: str) -> Seen:
    """Ask who we are, with the account's name and this password: 200, or 401."""
    import httpx

    try:
        with opened(ctx, how) as asking:
            status = asking.get(f"{how['url'].rstrip('/')}/api/user", auth=(how["user"], value)).status_code
    except (httpx.HTTPError, OSError) as error:
        return Seen("unknown", f"Grafana did not answer: {type(error).__name__}: {error}")
    verdicts: dict[int, Any] = {200: "accepted", 401: "refused"}
    return Seen(verdicts.get(status, "unknown"), f"Grafana answered {status}")


GRAFANA = Look(see_grafana, lambda how, value: text(24, "alphanumeric"))


def grafana_op(how: Mapping[str, Any], name: str, to: Label, using: Label) -> Op:
    """Set the account's password to one value, logged in with another."""
    args = {"grafana": dict(how), "name": name, "to": to, "using": using}
    return Op(name="grafana.set@1", args=args, writes=True, deadline_s=3 * EACH_S)


def set_grafana(ctx: OpContext, args: Mapping[str, Any]) -> Outcome:
    """`grafana.set@1`: {grafana, name, to, using}. PUT /api/user/password, which wants the old one as well."""
    import httpx

    how = args["grafana"]
    wanted, using = (ctx.secret(labelled(args["name"], args[key])) for key in ("to", "using"))
    body = {"oldPassword": using, "newPassword": wanted, "confirmNew": wanted}
    try:
        with opened(ctx, how) as asking:
            answer = asking.put(f"{how['url'].rstrip('/')}/api/user/password", json=body, auth=(how["user"], using))
    except (httpx.HTTPError, OSError) as error:
        return Outcome(verdict="unknown", evidence=f"Grafana did not answer: {type(error).__name__}: {error}")
    if answer.status_code == 200:
        return Outcome(verdict="yes", evidence=f"the password of {how['user']} is set")
    if answer.status_code == 401 and see_grafana(ctx, how, wanted).verdict == "accepted":
        return Outcome(verdict="yes", evidence=f"{how['user']} has that password already")
    return Outcome(verdict="no", evidence=f"Grafana answered {answer.status_code}: {answer.text[:300]}")


# --- webhooks --------------------------------------------------------------------------------------------------------


def see_webhook(ctx: OpContext, how: Mapping[str, Any], value: str) -> Seen:
    """Post the profile's message, which is marked as a test, to this address."""
    import httpx

    if urlsplit(value).scheme not in ("http", "https"):
        return Seen("unknown", "the value is no address")
    try:
        with opened(ctx, how) as asking:
            status = asking.post(value, json=how["body"]).status_code
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        return Seen("unknown", f"it did not answer: {type(error).__name__}")
    if status in how["accepted"]:
        return Seen("accepted", f"it answered {status}")
    gone = 400 <= status < 500 and status not in _BUSY
    return Seen("refused" if gone else "unknown", f"it answered {status}")


def made_up_address(how: Mapping[str, Any], value: str) -> str:
    """The same address with another last word."""
    parts = urlsplit(value)
    path = parts.path.rstrip("/").rpartition("/")[0] + "/" + text(24, "alphanumeric")
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))


WEBHOOK = Look(see_webhook, made_up_address)

OPS: Mapping[str, OpHandler] = {"grafana.set@1": set_grafana}

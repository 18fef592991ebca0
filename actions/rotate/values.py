"""New values: what they are made of. All that is random in a rotation happens here, in the run, never in a plan."""

from __future__ import annotations

import json
import secrets
import string
from collections.abc import Callable
from typing import Literal

from console.runs.api import Frozen

ALPHABETS = {
    # Nothing that an address, a shell, SQL or an environment file reads as anything else.
    "url": string.ascii_letters + string.digits + "-_",
    "alphanumeric": string.ascii_letters + string.digits,
    "hex": "0123456789abcdef",
}


class Form(Frozen):
    """How a new value is made. `given`: a person makes it."""

    form: Literal["text", "role", "jwt", "ssh", "given"]
    length: int = 43
    alphabet: Literal["url", "alphanumeric", "hex"] = "url"
    roles: tuple[str, ...] = ()
    """role: the two roles that take turns, or the one that stays."""
    fields: tuple[str, ...] = ()
    """Fields of the credential, where its value is a JSON object."""
    comment: str = ""


class CannotBeMade(Exception):
    """There is no new value to be made from the present one. A sentence."""


def make(form: Form, current: Callable[[], str]) -> str:
    """A new value. `current` gives the present one. Raises CannotBeMade."""
    match form.form:
        case "text":
            return text(form.length, form.alphabet)
        case "role":
            return _role(form, current())
        case "jwt":
            key = text(form.length)
            return json.dumps({"kid": text(12, "hex"), "key": key}) if form.fields else key
        case "ssh":
            return ssh_key(form.comment)
        case "given":
            raise CannotBeMade("A person makes this value.")


def text(length: int, alphabet: str = "url") -> str:
    """Random characters; 43 of the alphabet `url` are 258 bits. The first is a letter or digit: no option, no `~`."""
    letters = ALPHABETS[alphabet]
    first = secrets.choice(ALPHABETS["hex" if alphabet == "hex" else "alphanumeric"])
    return first + "".join(secrets.choice(letters) for _ in range(length - 1))


def _role(form: Form, current: str) -> str:
    """The password of a database role; with two roles, those of the other one."""
    password = text(form.length, "alphanumeric")
    if not form.fields:
        return password
    try:
        body = json.loads(current)
    except ValueError:
        body = None
    if not isinstance(body, dict) or not isinstance(body.get("user"), str):
        raise CannotBeMade("The current value is no JSON object with the field `user`.")
    if body["user"] not in form.roles:
        raise CannotBeMade(f"The current value is of the role {body['user']}, which the rotation does not name.")
    other = next((role for role in form.roles if role != body["user"]), body["user"])
    return json.dumps({**body, "user": other, "password": password})


def ssh_key(comment: str) -> str:
    """A new Ed25519 private key in OpenSSH's form, without a passphrase: the keyring seals it."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode().strip()

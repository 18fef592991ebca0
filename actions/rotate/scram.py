"""The verifier that PostgreSQL keeps of a password (SCRAM-SHA-256, RFC 5802 and 7677), computed here.

So the password itself never stands in SQL, and so in no log of the server and in no statistics of its statements.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os

ITERATIONS = 4096
"""What PostgreSQL itself uses."""


class NotPlain(ValueError):
    """A password with characters that a client and we could prepare in two ways. A sentence."""


def verifier(password: str, *, salt: bytes | None = None, iterations: int = ITERATIONS) -> str:
    """`SCRAM-SHA-256$4096:SALT$STORED:SERVER`. Raises NotPlain for what is no printable ASCII.

    Other characters go through SASLprep on the client's side, and not every client does that.
    """
    if not password or any(not 0x20 <= ord(one) <= 0x7E for one in password):
        raise NotPlain("The password is empty, or holds characters other than printable ASCII.")
    salt = os.urandom(16) if salt is None else salt
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, iterations)
    client = hmac.digest(salted, b"Client Key", "sha256")
    server = hmac.digest(salted, b"Server Key", "sha256")
    stored = hashlib.sha256(client).digest()
    words = (base64.b64encode(part).decode() for part in (salt, stored, server))
    return "SCRAM-SHA-256${}:{}${}:{}".format(iterations, *words)

"""First contact: see a host's key without trusting it, and write it down once a person has typed its fingerprint.

Nothing is ever added by itself. The fingerprint comes to the person by another way (the machine's console, its
provider, a colleague on it: `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub`), and what was typed has to match.
"""

from __future__ import annotations

import base64
import hmac
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from console.hosts import known_hosts
from console.hosts.base import HostRefused
from console.hosts.config import HostConfig, PassphraseFor
from console.hosts.connection import Connection
from console.hosts.settings import Ask, HopSettings, resolve
from console.timing import DEFAULT, Timing


@dataclass(frozen=True, slots=True)
class SeenKey:
    """What a host showed, and what is on record of it."""

    host: str
    lookup: str
    """The name under which the key is written down: `host` or `[host]:port`, or the HostKeyAlias."""
    shown: str
    """`user@host:port`."""
    kind: str
    blob: bytes
    fingerprint: str
    outcome: Literal["known", "unknown", "mismatch", "revoked"]
    file: str
    """The known_hosts file that `trust` writes to."""
    hashed: bool


class WrongFingerprint(ValueError):
    """What was typed is not the fingerprint of the key that the host showed."""

    exit_code = 4


def see(
    config: HostConfig, timing: Timing = DEFAULT, passphrase_for: PassphraseFor | None = None, *, ask: Ask | None = None
) -> SeenKey:
    """The key of the first hop on the way to a host that is not on record yet; of the host if all are.

    Hops that are known are verified and passed through as ever; nobody logs in to what is not verified. Raises
    HostUnreachable, or HostRefused for a hop that is on record with another key.
    """
    hops = resolve(config, ask)
    connection = Connection(config.name, hops[-1].shown, timing)
    try:
        for number, hop in enumerate(hops):
            seen = _look(config.name, hop, connection)
            if number == len(hops) - 1 or seen.outcome != "known":
                return seen
            connection.pass_through(hop, passphrase_for)
        raise HostRefused(config.name, f"{config.name} has no address.")
    finally:
        connection.close()


def _look(host: str, hop: HopSettings, connection: Connection) -> SeenKey:
    key = connection.handshake(hop, connection.wire(hop)).get_remote_server_key()
    blob = key.asbytes()
    keys, _ = known_hosts.read((*hop.known_hosts, *hop.global_known_hosts))
    verdict = known_hosts.judge(keys, hop.lookup, key.get_name(), blob)
    if not hop.known_hosts:
        raise HostRefused(
            host, f"the ssh configuration of {hop.asked} names no file for host keys (UserKnownHostsFile)."
        )
    return SeenKey(
        host=host,
        lookup=hop.lookup,
        shown=hop.shown,
        kind=key.get_name(),
        blob=blob,
        fingerprint=known_hosts.fingerprint(blob),
        outcome=verdict.outcome,
        file=str(Path(hop.known_hosts[0]).expanduser()),
        hashed=hop.hash_known_hosts,
    )


def trust(seen: SeenKey, typed: str) -> str:
    """Write the key down after the typed fingerprint matched; gives the line. A key that is known is left as it is.

    Raises WrongFingerprint, and HostRefused for a key that is revoked, or where another one is on record: that one has
    to be taken out by hand first.
    """
    given = typed.strip()
    if not given.startswith("SHA256:"):
        given = f"SHA256:{given}"
    if not hmac.compare_digest(given.rstrip("=").encode(), seen.fingerprint.encode()):
        raise WrongFingerprint(
            f"that is not the fingerprint that {seen.lookup} shows. Nothing was written. Ask for it again, from "
            "somebody who is on the machine."
        )
    if seen.outcome == "revoked":
        raise HostRefused(seen.host, f"the key of {seen.lookup} is marked @revoked; it is not trusted again this way.")
    if seen.outcome == "mismatch":
        raise HostRefused(
            seen.host,
            f"another key of {seen.lookup} is on record. If the host was set up anew: "
            f"ssh-keygen -R '{seen.lookup}' -f {seen.file}   and then once more.",
        )
    name = known_hosts.hashed(seen.lookup, secrets.token_bytes(20)) if seen.hashed else seen.lookup
    line = f"{name} {seen.kind} {base64.b64encode(seen.blob).decode()}"
    if seen.outcome == "known":
        return line
    file = Path(seen.file)
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600), "rb+") as stream:
        end = stream.seek(0, os.SEEK_END)
        torn = False
        if end:
            stream.seek(end - 1)
            torn = stream.read(1) != b"\n"
        stream.write((b"\n" if torn else b"") + line.encode() + b"\n")
        stream.flush()
        os.fsync(stream.fileno())
    return line

"""Log in with one key that is given as text, and with nothing else: the proof of a rotation of keys.

The way is that of the host itself (jumps, host keys, algorithms); only the last login offers this key alone, with no
agent and no file.
"""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from console.hosts.base import HostError
from console.hosts.config import HostConfig, PassphraseFor
from console.hosts.connection import Connection
from console.hosts.login import offer, offered_from
from console.hosts.settings import resolve
from console.timing import DEFAULT, Timing

if TYPE_CHECKING:
    from paramiko import PKey


@dataclass(frozen=True, slots=True)
class KeyTried:
    """What a login with a key came to."""

    verdict: Literal["accepted", "refused", "unknown"]
    evidence: str = ""


def try_key(
    config: HostConfig,
    private: str,
    *,
    user: str | None = None,
    passphrase_for: PassphraseFor | None = None,
    timing: Timing = DEFAULT,
) -> KeyTried:
    """Log in once with this private key (OpenSSH's form, no passphrase), and hang up. `user`: else the host's own."""
    import paramiko

    key = _key(private)
    if key is None:
        return KeyTried("unknown", "the credential is no private key in OpenSSH's form without a passphrase")
    connection: Connection | None = None
    try:
        *before, target = resolve(config, None)
        connection = Connection(config.name, target.shown, timing)
        connection.open(before, passphrase_for)
        transport = connection.handshake(target, connection.wire(target))
        connection.verify(target)
        missing = offer(transport, user or target.user, key, timing)
        if missing:
            return KeyTried("unknown", f"{target.shown} wants a second factor ({', '.join(missing)}) after the key")
        return KeyTried("accepted", f"logged in to {target.shown} with this key alone")
    except paramiko.BadAuthenticationType as error:
        return KeyTried("unknown", f"no public keys are taken there (it offers {', '.join(error.allowed_types)})")
    except paramiko.AuthenticationException:
        return KeyTried("refused", f"{config.name} does not let this key in")
    except (HostError, paramiko.SSHException, EOFError, OSError) as error:
        return KeyTried("unknown", str(error) or "it hung up")
    finally:
        if connection is not None:
            connection.close("it was tried")


def offered_here(config: HostConfig, private: str, *, timing: Timing = DEFAULT) -> tuple[tuple[str, ...], bool]:
    """From which files logins to a host offer this very key, by its public half, and whether an agent does.

    Raises HostRefused.
    """
    key = _key(private)
    hop = resolve(config, None)[-1]
    return offered_from(hop, key.asbytes(), timing) if key is not None else ((), False)


def _key(private: str) -> PKey | None:
    import paramiko

    kinds: tuple[Any, ...] = (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey)
    for kind in kinds:
        with contextlib.suppress(paramiko.SSHException, ValueError, TypeError, IndexError):
            made: PKey = kind.from_private_key(io.StringIO(private.strip() + "\n"))
            return made
    return None

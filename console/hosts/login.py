"""Who we are to a host: the agent's keys and key files, offered in OpenSSH's order."""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from console.hosts.base import HostRefused
from console.hosts.config import PassphraseFor
from console.hosts.settings import HopSettings
from console.timing import Timing

if TYPE_CHECKING:
    from paramiko import PKey

    from console.hosts.transport import PackingTransport

TOO_MANY = "Too many authentication failures"
"""What OpenSSH's sshd dismisses with after its last try (auth.c, auth_maxtries_exceeded)."""
MAX_OFFERS = 6
"""sshd's MaxAuthTries: it hangs up at the next one."""
_OPENSSH = "-----BEGIN OPENSSH PRIVATE KEY-----"
_MAGIC = b"openssh-key-v1\0"


@dataclass
class _Notes:
    """What could not be offered, for the sentence when nothing was accepted."""

    offered: int = 0
    left_out: list[str] = field(default_factory=list)


def offer(transport: PackingTransport, user: str, key: PKey, timing: Timing) -> tuple[str, ...]:
    """Offer one key; what the host wants besides it, mostly nothing.

    Raises paramiko.AuthenticationException if the host said no, and paramiko.SSHException if it said nothing: where
    paramiko itself waits for the answer, a host that froze or went away has said no.
    """
    import paramiko
    from paramiko.ssh_exception import PartialAuthentication

    answered = threading.Event()
    transport.auth_publickey(user, key, answered)
    ends = time.monotonic() + timing.auth_s
    # A connection that we close ourselves sets no event: looked at every now and then.
    while not answered.wait(0.1) and transport.is_active():
        if time.monotonic() > ends:
            raise paramiko.SSHException(f"no answer to a key within {timing.auth_s:g} s")
    if transport.is_authenticated():
        return ()
    error = transport.get_exception()
    if isinstance(error, PartialAuthentication):
        return tuple(error.allowed_types)
    if isinstance(error, paramiko.BadAuthenticationType):
        raise error
    # sshd does not answer the last key that it takes from one connection (MaxAuthTries), it dismisses us: a no as well.
    # Another goodbye ("going down for maintenance") says nothing of the key.
    if transport.is_active() or TOO_MANY in transport.dismissed:
        raise paramiko.AuthenticationException("the key was not accepted")
    raise paramiko.SSHException(str(error or "") or transport.dismissed or "it hung up")


def log_in(
    transport: PackingTransport, host: str, hop: HopSettings, passphrase_for: PassphraseFor | None, timing: Timing
) -> str | None:
    """Authenticate by public key; the socket of the agent without which that could not be done again, or None.

    Raises HostRefused, or paramiko.SSHException when the line breaks.
    """
    import paramiko

    notes = _Notes()
    with contextlib.ExitStack() as stack:
        for key in _offers(hop, passphrase_for, timing, notes, stack):
            if notes.offered == MAX_OFFERS:
                notes.left_out.append(f"more than {MAX_OFFERS} keys (name one with 'identity:' in the profile)")
                break
            notes.offered += 1
            try:
                missing = offer(transport, hop.user, key, timing)
            except paramiko.BadAuthenticationType as error:
                raise HostRefused(
                    host,
                    f"{hop.shown} takes no public keys (it offers {', '.join(error.allowed_types) or 'nothing'}); "
                    "Quarterdeck logs in with keys only.",
                ) from error
            except paramiko.AuthenticationException:
                if not transport.is_active():
                    break
                continue
            if missing:
                raise HostRefused(
                    host,
                    f"{hop.shown} wants a second factor ({', '.join(missing)}) after the key; "
                    "Quarterdeck cannot give one.",
                )
            return _socket(hop) if isinstance(key, paramiko.AgentKey) and not _in_a_file(key, hop) else None
    tried = (
        f"{notes.offered} key{'' if notes.offered == 1 else 's'} offered, none accepted"
        if notes.offered
        else ("there was no key to offer")
    )
    rest = f". Not offered: {'; '.join(notes.left_out)}" if notes.left_out else ""
    raise HostRefused(host, f"{host}: {hop.shown} refused the login: {tried}{rest}.")


def _offers(
    hop: HopSettings,
    passphrase_for: PassphraseFor | None,
    timing: Timing,
    notes: _Notes,
    stack: contextlib.ExitStack,
) -> Iterator[PKey]:
    agent_keys = _agent_keys(hop, timing, notes, stack)
    offered: set[bytes] = set()
    files = [Path(path).expanduser() for path in hop.identities]
    for file in files:
        blob = _public_blob(file)
        for key in agent_keys:
            if blob is not None and key.asbytes() == blob and blob not in offered:
                offered.add(blob)
                yield key
    # A key that the profile names goes before what else the agent happens to hold.
    named = Path(hop.profile_identity).expanduser() if hop.profile_identity else None
    if named is not None:
        yield from _from_file(named, hop, passphrase_for, offered, notes, required=True)
    if not hop.identities_only:
        for key in agent_keys:
            if key.asbytes() not in offered:
                offered.add(key.asbytes())
                yield key
    for file in files:
        if file != named:
            yield from _from_file(file, hop, passphrase_for, offered, notes, required=False)


def _from_file(
    file: Path,
    hop: HopSettings,
    passphrase_for: PassphraseFor | None,
    offered: set[bytes],
    notes: _Notes,
    *,
    required: bool,
) -> Iterator[PKey]:
    import paramiko
    from paramiko.pkey import UnknownKeyType

    blob = _public_blob(file)
    if file.suffix == ".pub" or (blob is not None and blob in offered):
        return
    if not file.exists():
        if required:
            notes.left_out.append(f"{file} (there is no such file)")
        return
    passphrase = None
    if required and hop.passphrase is not None and passphrase_for is not None:
        passphrase = passphrase_for(hop.passphrase)
    # Declared as text, handed to cryptography as it stands, which takes bytes only (paramiko 5.1).
    secret: Any = None if passphrase is None else passphrase.encode()
    try:
        key = paramiko.PKey.from_path(file, secret)
    except (TypeError, paramiko.PasswordRequiredException):
        if passphrase is not None:
            # cryptography refuses a passphrase for a key that has none; the key is good without it.
            with contextlib.suppress(TypeError, ValueError, paramiko.SSHException, OSError):
                yield paramiko.PKey.from_path(file)
                return
        why = "it has a passphrase; name the credential that holds it in the profile, or load the key into an agent"
        notes.left_out.append(f"{file} ({why})")
        return
    except OSError as error:
        notes.left_out.append(f"{file} ({error.strerror or error})")
        return
    except (ValueError, paramiko.SSHException, UnknownKeyType):
        why = "wrong passphrase, or not a private key" if passphrase else "not a private key that can be used"
        notes.left_out.append(f"{file} ({why})")
        return
    if key.asbytes() not in offered:
        offered.add(key.asbytes())
        yield key


def _in_a_file(key: PKey, hop: HopSettings) -> bool:
    """Whether a key that an agent holds is also in a file that opens without it."""
    import paramiko
    from paramiko.pkey import UnknownKeyType

    for path in hop.identities:
        file = Path(path).expanduser()
        if file.suffix == ".pub" or _public_blob(file) != key.asbytes() or not file.exists():
            continue
        if path == hop.profile_identity and hop.passphrase is not None:
            return True
        with contextlib.suppress(TypeError, ValueError, OSError, paramiko.SSHException, UnknownKeyType):
            paramiko.PKey.from_path(file)
            return True
    return False


def _socket(hop: HopSettings) -> str | None:
    """Where the agent of a hop answers, if it has one."""
    return os.environ.get("SSH_AUTH_SOCK") if hop.agent == "SSH_AUTH_SOCK" else hop.agent


def offered_from(hop: HopSettings, public: bytes, timing: Timing) -> tuple[tuple[str, ...], bool]:
    """From which key files a key would be offered to a hop, by its public half, and whether by the agent."""
    files = tuple(path for path in hop.identities if _blob_of(Path(path).expanduser()) == public)
    with contextlib.ExitStack() as stack:
        held = any(key.asbytes() == public for key in _agent_keys(hop, timing, _Notes(), stack))
    return files, held and (bool(files) or not hop.identities_only)


def _blob_of(file: Path) -> bytes | None:
    """The public half of a key file, also of one that only says it once it is opened."""
    import paramiko
    from paramiko.pkey import UnknownKeyType

    found = _public_blob(file)
    if found is None:
        with contextlib.suppress(TypeError, ValueError, OSError, paramiko.SSHException, UnknownKeyType):
            found = paramiko.PKey.from_path(file).asbytes()
    return found


def _public_blob(file: Path) -> bytes | None:
    """The public half as the file itself says it (OpenSSH's form does, also under a passphrase), else KEY.pub.

    In this order, since a KEY.pub may be of a key that was there before.
    """
    if file.suffix != ".pub" and (own := _inside(file)) is not None:
        return own
    path = file if file.suffix == ".pub" else file.with_name(file.name + ".pub")
    try:
        return base64.b64decode(path.read_text("utf-8", "replace").split()[1], validate=True)
    except (OSError, IndexError, binascii.Error, ValueError):
        return None


def _inside(file: Path) -> bytes | None:
    """The public half in a private key of OpenSSH's form (PROTOCOL.key): behind cipher, derivation and its options."""
    try:
        head, *lines, _ = file.read_text("ascii").strip().splitlines()
        data = base64.b64decode("".join(lines), validate=True)
    except (OSError, ValueError):
        return None
    if head != _OPENSSH or not data.startswith(_MAGIC):
        return None
    rest = data[len(_MAGIC) :]
    for _ in range(3):
        _, rest = _word(rest)
    return _word(rest[4:])[0] or None  # behind the number of keys


def _word(data: bytes) -> tuple[bytes, bytes]:
    """A string of SSH's form at the beginning of `data`, and what comes after it."""
    end = 4 + int.from_bytes(data[:4], "big")
    return data[4:end], data[end:]


def _agent_keys(hop: HopSettings, timing: Timing, notes: _Notes, stack: contextlib.ExitStack) -> list[PKey]:
    import paramiko
    from paramiko.agent import AgentSSH

    path = _socket(hop)
    if not path:
        return []
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # An agent may ask a person to confirm; it may not hang for ever.
    connection.settimeout(timing.auth_s)
    stack.callback(connection.close)
    agent: Any = AgentSSH()
    try:
        connection.connect(str(Path(path).expanduser()))
        agent._connect(connection)
    except (OSError, paramiko.SSHException) as error:
        notes.left_out.append(f"the agent's keys (it does not answer on {path}: {error})")
        return []
    return list(agent.get_keys())

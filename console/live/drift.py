"""Whether the environment files on a host are what they should be, without asking anybody for a passphrase."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from console.environment import Environment
    from console.live.keys import Keys


def drift_of(keys: Keys, environment: Environment, host: str) -> tuple[str, ...]:
    """A sentence for each file of the host that differs; where the keyring is not open, only names are compared.

    Raises HostError, StackError.
    """
    from console.credentials.errors import CredentialError, KeyringLocked
    from console.environment import FieldMissing
    from console.probes.envfiles import look_at

    files = tuple(one for one in environment.stack.spec.env_files if one.on(host))
    if not files:
        return ()
    said: list[str] = []
    values = keys.at_hand
    try:
        states = look_at(environment, {host: files}, values=values)
    except KeyringLocked:
        states = look_at(environment, {host: files}, values=False)
    except (CredentialError, FieldMissing) as error:
        said.append(str(error))
        states = look_at(environment, {host: files}, values=False)
    return (*(text for state in states if (text := state.drift())), *said)

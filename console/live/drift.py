"""Whether the environment files on a host are what they should be, without asking anybody for a passphrase."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from console.environment import Environment
    from console.live.keys import Keys


def drift_of(keys: Keys, environment: Environment, host: str) -> tuple[str, ...]:
    """A sentence for each file of the host that differs; where the keyring is not open, only names are compared.

    A look that fails is a sentence too: what runs on the host is known all the same. Raises HostError.
    """
    from console.credentials.errors import CredentialError, KeyringLocked
    from console.environment import FieldMissing
    from console.probes.envfiles import look_at
    from console.stacks.base import StackError

    files = tuple(one for one in environment.stack.spec.env_files if one.on(host))
    if not files:
        return ()
    said: list[str] = []
    try:
        try:
            states = look_at(environment, {host: files}, values=keys.at_hand)
        except KeyringLocked:
            states = look_at(environment, {host: files}, values=False)
        except (CredentialError, FieldMissing) as error:
            said.append(str(error))
            states = look_at(environment, {host: files}, values=False)
    except StackError as error:
        return (str(error), *said)
    return (*(text for state in states if (text := state.drift())), *said)

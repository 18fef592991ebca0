"""A machine, reached by SSH or local."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from profiles.base import Flag, HostPath, LocalFile, Name, SecretName, Shape, Text

__all__ = ["Host"]

_Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9_\[][A-Za-z0-9_.:%\[\]-]{0,252}$")]
_User = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$")]


class Host(Shape):
    """A machine. What is not said here, `ssh -G ADDRESS` says: the user's own SSH configuration."""

    name: str = Field(default="", description="Its name in the profile: the key it stands under.")
    title: Text = Field(default="", description="What people call it.")
    local: Flag = Field(default=False, description="True: this machine itself, no SSH.")
    address: _Word | None = Field(
        default=None, description="Host name, address or alias of the SSH configuration. Default: its name."
    )
    user: _User | None = Field(
        default=None, description="Account on the host. All operators of an environment use the same one."
    )
    port: Annotated[int, Field(ge=1, le=65_535)] | None = Field(default=None, description="SSH port.")
    jump: tuple[Name, ...] = Field(
        default=(), description="Hosts of this profile to go through, in order, the nearest to here first."
    )
    identity: LocalFile | None = Field(default=None, description="Private key file here. Default: agent and SSH's own.")
    passphrase: SecretName | None = Field(default=None, description="Passphrase of that key: {secret: NAME}.")
    become: Literal["none", "sudo"] = Field(
        default="none",
        description="`sudo`: commands of the stack run under `sudo -n`; `doctor` prints the lines for it.",
    )
    docker_socket: HostPath = Field(default="/var/run/docker.sock", description="The engine's socket on the host.")
    ssh_config: LocalFile | None = Field(
        default=None, description="SSH configuration file to use instead of the user's."
    )
    known_hosts: LocalFile | None = Field(default=None, description="Host key file to use instead of the user's.")

    @model_validator(mode="after")
    def _sound(self) -> Host:
        if self.local:
            for key in ("address", "user", "port", "identity", "passphrase", "ssh_config", "known_hosts"):
                if getattr(self, key) is not None:
                    raise ValueError(f"is local and is not reached by SSH: drop `{key}`, or `local`")
            if self.jump:
                raise ValueError("is local and is not reached by SSH: drop `jump`, or `local`")
        if self.passphrase is not None and self.identity is None:
            raise ValueError("has a passphrase and no key file: name the key with `identity`")
        return self

    @property
    def destination(self) -> str:
        """What is given to `ssh -G`: the address, or the host's own name."""
        return self.address or self.name

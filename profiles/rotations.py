"""How a credential is rotated: what accepts it, who uses it, and how to see which value works.

Every kind says the same four things in its own way: how the new value is made to be accepted, who must be given it, how
to see what is accepted, and how the old value is made worthless. `actions/rotate` makes a plan of it.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import Field, JsonValue, model_validator

from profiles.base import Argv, Flag, HostPath, LocalFile, Name, Seconds, SecretName, Shape, Text, Url, names_into

__all__ = [
    "CommandRotation",
    "Consumer",
    "DatabaseRotation",
    "GithubRotation",
    "GithubSecret",
    "GrafanaRotation",
    "JwtProbe",
    "JwtRotation",
    "Rotation",
    "Spoken",
    "SshKeyRotation",
    "WebhookRotation",
]

Port = Annotated[int, Field(ge=1, le=65_535)]
Status = Annotated[int, Field(ge=100, le=599)]
RoleName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_$-]{0,62}$")]
WEBHOOK_ACCEPTED: Final = (200, 201, 202, 204)


class Spoken(Shape):
    """A command that is given a value on standard input, and nowhere else. May be written as a list of words."""

    argv: Argv = Field(description="The command, word by word. Variables: {directory}.")
    host: Name | None = Field(default=None, description="Where it runs. Default: the rotation's own host.")
    become: Literal["none", "sudo"] = Field(default="none", description="`sudo`: under `sudo -n`.")
    deadline: Seconds = Field(default=60.0, description="How long it may take.")

    @model_validator(mode="before")
    @classmethod
    def _words(cls, value: Any) -> Any:
        return {"argv": value} if isinstance(value, list | tuple) else value


class GithubSecret(Shape):
    """A secret of GitHub Actions that holds the value. GitHub never gives it back: only a use of it proves it."""

    repository: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$")] = Field(description="OWNER/NAME.")
    name: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,99}$")] = Field(
        description="Its name there, such as STAGING_SSH_KEY."
    )
    environment: Annotated[str, Field(min_length=1, max_length=255)] | None = Field(
        default=None, description="Environment of the repository that holds it. Default: the repository itself."
    )
    token: SecretName = Field(description="Token that may write secrets: {secret: NAME}.")
    api: Url = Field(default="https://api.github.com", description="Address of the API.")
    via: Name | None = Field(default=None, description="Host through which it is reached.")
    workflow: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+\.ya?ml$")] | None = Field(
        default=None, description="Workflow that uses the secret and is started to prove it (workflow_dispatch)."
    )
    ref: Annotated[str, Field(min_length=1, max_length=255)] = Field(
        default="main", description="Branch that the workflow is started on."
    )


class Consumer(Shape):
    """Somebody who uses the value, and how they are given another one. Whoever is left out stays on the old one."""

    name: str = Field(default="", description="Its name: the key it stands under.")
    title: Text = Field(default="", description="What people call it.")
    hosts: tuple[Name, ...] = Field(
        default=(), description="Hosts it is on, one after the other. Default: all of the environment."
    )
    files: tuple[Name, ...] = Field(
        default=(), description="Environment files of this environment (`files`) that hold the value."
    )
    give: Spoken | None = Field(
        default=None, description="Command that is given the value on standard input and puts it where it is used."
    )
    file: LocalFile | None = Field(
        default=None, description="File on this machine that holds the value alone; written 0600."
    )
    github: GithubSecret | None = Field(default=None, description="A secret of GitHub Actions that holds it.")
    reload: tuple[Name, ...] = Field(
        default=(), description="Services that are made anew afterwards, host after host, and waited for."
    )
    works: Spoken | None = Field(
        default=None,
        description="Command that is given the value and proves that this consumer uses it: exit code 0.",
    )

    @model_validator(mode="after")
    def _something(self) -> Consumer:
        if not (self.files or self.give or self.file or self.github):
            raise ValueError("needs a way to get the value: `files`, `give`, `file` or `github`")
        return self


class _Rotation(Shape):
    """What every rotation says."""

    name: str = Field(default="", description="Its name: the key it stands under.")
    title: Text = Field(default="", description="What people call it.")
    credential: SecretName = Field(description="The credential that is rotated: {secret: NAME}, as a whole.")
    consumers: Annotated[dict[Name, Consumer], names_into] = Field(
        default_factory=dict, description="Everybody who uses it, by name."
    )
    overlap: Seconds | None = Field(
        default=None, description="How long old and new are both accepted, once the new one is used everywhere."
    )

    @model_validator(mode="after")
    def _whole(self) -> _Rotation:
        if self.credential.field is not None:
            raise ValueError("rotates a whole credential: drop `field`")
        return self


class CommandRotation(_Rotation):
    """Anything, by commands of the profile. Exit codes of `works`: 0 accepted, 1 refused, anything else unknown."""

    kind: Literal["command"] = Field(description="By commands.")
    host: Name | None = Field(default=None, description="Where its commands run. Default: the first host.")
    works: Spoken = Field(
        description="Is the value on standard input accepted? Exit code 0: yes, 1: no, anything else: cannot be seen."
    )
    accept: Spoken = Field(
        description="Makes a value accepted. Two lines on standard input: that value, then one that is accepted now."
    )
    refuse: Spoken | None = Field(
        default=None,
        description="Makes the value on standard input worthless. Without it, `accept` puts one in place of the other.",
    )
    length: Annotated[int, Field(ge=16, le=512)] = Field(default=43, description="Characters of a new value.")
    alphabet: Literal["url", "alphanumeric", "hex"] = Field(
        default="url", description="What a new value is made of. url: letters, digits, '-' and '_'."
    )
    guided: Flag = Field(
        default=False, description="True: a person makes the new value and stores it as pending; none is made here."
    )


class DatabaseRotation(_Rotation):
    """The password of a PostgreSQL role. With two roles nobody is ever without a login; with one there is a gap."""

    kind: Literal["database"] = Field(description="PostgreSQL. Others by `command`.")
    host: Name | None = Field(default=None, description="Where psql runs. Default: the first host.")
    within: tuple[str, ...] = Field(
        default=(), description="Words before psql that bring it into a container, such as [docker, exec, -i, db]."
    )
    become: Literal["none", "sudo"] = Field(default="none", description="`sudo`: under `sudo -n`.")
    address: Annotated[str, Field(pattern=r"^[A-Za-z0-9/_.:-]{1,255}$")] = Field(
        default="127.0.0.1", description="Address of the server, or the folder of its socket, as seen from there."
    )
    port: Port = Field(default=5432, description="Its port.")
    database: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_$-]{0,62}$")] = Field(
        default="postgres", description="Database that logins are tried on."
    )
    admin: RoleName = Field(description="Role that may change the password of the others.")
    admin_password: SecretName | None = Field(
        default=None, description="Its password: {secret: NAME}. Default: it needs none there (peer, or a socket)."
    )
    roles: Annotated[tuple[RoleName, ...], Field(min_length=1, max_length=2)] = Field(
        description="The role; or two that take turns, of which the credential's field `user` names the one in use."
    )
    query: Annotated[str, Field(min_length=1, max_length=2000)] = Field(
        default="SELECT 1", description="Query that a login must be able to do, to prove its rights."
    )
    drain: Seconds = Field(
        default=60.0, description="How long sessions of the old role are waited for before it loses its login."
    )


class JwtProbe(Shape):
    """A request that the service answers according to the token. Tokens are made here, and live a minute."""

    port: Port = Field(description="Port on each host.")
    address: str = Field(default="127.0.0.1", description="Address on the host that the request goes to.")
    path: Annotated[str, Field(pattern=r"^/[^\s]*$", max_length=1000)] = Field(description="Path of the request.")
    header: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,100}$")] = Field(
        default="Authorization", description="Header that carries the token."
    )
    scheme: Annotated[str, Field(pattern=r"^[A-Za-z0-9]{0,40}$")] = Field(
        default="Bearer", description="Word before the token in it; empty: none."
    )
    claims: dict[str, JsonValue] = Field(
        default_factory=dict, description="Claims of the token besides iat and exp, such as {sub: smoke}."
    )
    accepted: Status = Field(default=200, description="Status for a token that is accepted.")
    refused: Status = Field(default=401, description="Status for one that is not.")


class JwtRotation(_Rotation):
    """The secret that signs JSON web tokens. Everybody verifies with the new one before anybody signs with it."""

    kind: Literal["jwt"] = Field(description="Signing secret of JSON web tokens.")
    algorithm: Literal["HS256", "HS384", "HS512"] = Field(default="HS256", description="How tokens are signed.")
    hosts: tuple[Name, ...] = Field(
        default=(), description="Hosts on which tokens are verified. Default: all of the environment."
    )
    probe: JwtProbe = Field(description="How to see which secret a host verifies with.")


class SshKeyRotation(_Rotation):
    """A key pair for SSH logins. The new key is added and proved before the old one is taken away."""

    kind: Literal["ssh-key"] = Field(description="Key pair; the credential is the private key.")
    hosts: tuple[Name, ...] = Field(
        default=(), description="Hosts that let the key in. Default: all of the environment."
    )
    user: Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$")] | None = Field(
        default=None, description="Account that it logs in as. Default: that of the host."
    )
    authorized_keys: HostPath | None = Field(
        default=None, description="The account's file of keys. Default: .ssh/authorized_keys in the home directory."
    )
    comment: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.@-]{1,100}$")] = Field(
        default="quarterdeck", description="Comment of a new key."
    )


class GrafanaRotation(_Rotation):
    """The password of a Grafana account, by its API: its environment variable only counts when it is first set up."""

    kind: Literal["grafana"] = Field(description="Password of a Grafana account.")
    url: Url = Field(description="Address of Grafana.")
    via: Name | None = Field(default=None, description="Host through which it is reached.")
    ca: LocalFile | None = Field(default=None, description="Certificate authority file here.")
    user: Annotated[str, Field(min_length=1, max_length=190, pattern=r"^[^:\s]+$")] = Field(
        default="admin", description="Login of the account."
    )


class GithubRotation(_Rotation):
    """A value that lives in secrets of GitHub Actions (its `consumers`) and that nothing else here can try."""

    kind: Literal["github"] = Field(description="Secret of GitHub Actions.")
    guided: Flag = Field(
        default=False, description="True: a person makes the new value and stores it as pending; none is made here."
    )
    length: Annotated[int, Field(ge=16, le=512)] = Field(default=43, description="Characters of a new value.")


class WebhookRotation(_Rotation):
    """The address of a webhook, which a person must make. The address itself is the credential."""

    kind: Literal["webhook"] = Field(description="Address of a webhook; guided.")
    made_at: Text = Field(description="Where a person makes a new one and revokes the old one, and how.")
    via: Name | None = Field(default=None, description="Host through which it is reached.")
    ca: LocalFile | None = Field(default=None, description="Certificate authority file here.")
    body: dict[str, JsonValue] = Field(
        default={"text": "Quarterdeck: this message proves a new webhook address."},
        description="JSON that is posted to prove an address.",
    )
    accepted: tuple[Status, ...] = Field(default=WEBHOOK_ACCEPTED, description="Statuses of an address that works.")
    revoke_within: Seconds = Field(
        default=900.0, description="How long the run waits for a person to revoke the old address."
    )


Rotation = Annotated[
    CommandRotation
    | DatabaseRotation
    | JwtRotation
    | SshKeyRotation
    | GrafanaRotation
    | GithubRotation
    | WebhookRotation,
    Field(discriminator="kind"),
]
"""How one credential is rotated."""

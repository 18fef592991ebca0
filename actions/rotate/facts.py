"""What a rotation reads before it is planned: the profile's words, fingerprints, what else uses the credential."""

from __future__ import annotations

from typing import Any

from pydantic import Field, JsonValue, TypeAdapter

from actions.site import Site, read_site
from console.runs.api import FactsContext, Frozen, Label
from profiles.models import Profile, Rotation, secret_names

ROTATION: TypeAdapter[Rotation] = TypeAdapter(Rotation)


class RotateFacts(Frozen):
    """Everything that decides the plan of a rotation. No value of any credential."""

    environment: str
    directory: str = ""
    hosts: tuple[str, ...] = ()
    """Hosts that take part."""
    left_out: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    """Names of all rotations of the environment."""
    name: str = ""
    """Name of the rotation; empty: there is none of that name."""
    rotation: dict[str, JsonValue] = Field(default_factory=dict)
    """It, as the profile has it."""
    fields: tuple[str, ...] = ()
    """Fields of the credential, where its value is a JSON object."""
    where: str = ""
    """Who issues the credential."""
    fingerprints: dict[Label, str] = Field(default_factory=dict)
    elsewhere: tuple[str, ...] = ()
    """Places that use the credential and are no consumers of this rotation."""
    holding: tuple[str, ...] = ()
    """Environment files that hold the credential, by name."""
    site: Site | None = None
    """The hosts as they stand, where services are to be made anew."""
    read: dict[str, JsonValue] = Field(default_factory=dict)
    """What the kind itself read."""

    @property
    def credential(self) -> str:
        """The credential's name."""
        named: Any = self.rotation["credential"]
        return str(named["secret"])


def read_facts(ctx: FactsContext, wanted: str) -> RotateFacts:
    """Raises RefusalError, HostError, CredentialError."""
    environment = ctx.environment
    rotations = environment.config.rotations
    base = RotateFacts(
        environment=environment.name,
        directory=environment.directory,
        hosts=tuple(environment.hosts),
        left_out=environment.left_out,
        known=tuple(rotations),
    )
    found = next((one for one in rotations.values() if one.name == wanted), None) or next(
        (one for one in rotations.values() if one.credential.secret == wanted), None
    )
    if found is None:
        return base
    credential = environment.profile.credentials.get(found.credential.secret)
    reloads = any(consumer.reload or consumer.files for consumer in found.consumers.values())
    facts = base.model_copy(
        update={
            "name": found.name,
            "rotation": ROTATION.dump_python(found, mode="json"),
            "fields": credential.fields if credential is not None else (),
            "where": credential.where if credential is not None else "",
            "fingerprints": environment.fingerprints(found.credential.secret),
            "elsewhere": used_elsewhere(environment.profile, environment.name, found.credential.secret),
            "holding": tuple(
                file.name for file in environment.stack.spec.env_files if found.credential.secret in file.names
            ),
            "site": read_site(ctx) if reloads else None,
        }
    )
    return facts.model_copy(update={"read": read_by_kind(ctx, found)})


def read_by_kind(ctx: FactsContext, rotation: Rotation) -> dict[str, JsonValue]:
    """What only one kind asks."""
    if rotation.kind == "database":
        from actions.rotate.postgres import read_roles

        return read_roles(ctx, rotation)
    if rotation.kind == "ssh-key":
        from actions.rotate.ssh_key import own_identities

        return {"identities": list(own_identities(ctx, rotation))}
    return {}


def used_elsewhere(profile: Profile, environment: str, name: str) -> tuple[str, ...]:
    """Environments, other than this one, whose profile names the credential; they keep the old value in their files."""
    found = []
    for other, config in profile.environments.items():
        if other != environment and name in {one.secret for one in secret_names(config.model_dump(mode="json"))}:
            found.append(other)
    return tuple(found)

"""From the profile's model of a stack to the stack's own `Spec`, which facts and plans carry."""

from __future__ import annotations

from collections.abc import Mapping

from console.hosts.command import InputText, TemplateSecret
from console.stacks.base import ComposeFile, ComposeSpec, MigrationsSpec, ProcessSpec, RegistrySpec, ServiceSpec
from console.stacks.envfiles import FileTemplate, HostName, Line
from profiles.models import (
    ComposeStack,
    Environment,
    EnvironmentFile,
    FileSecret,
    FileVariable,
    Host,
    Migrations,
    ProcessService,
    ProcessStack,
    Registry,
    Service,
)


def spec_of(environment: Environment, hosts: Mapping[str, Host]) -> ComposeSpec | ProcessSpec:
    """The stack of one environment of a profile; `hosts` are the profile's, by name."""
    stack = environment.stack
    if isinstance(stack, ComposeStack):
        return _compose(environment, stack, hosts)
    return _process(environment, stack)


def file_templates(environment: Environment) -> tuple[FileTemplate, ...]:
    """The environment files that the console writes there, in the order of the profile."""
    return tuple(_file_template(environment, file) for file in environment.files.values())


def _file_template(environment: Environment, file: EnvironmentFile) -> FileTemplate:
    path = file.path.removeprefix("./")
    return FileTemplate(
        name=file.name,
        path=path if path.startswith("/") else f"{environment.directory.rstrip('/')}/{path}",
        mode=file.mode,
        owner=file.owner or "",
        hosts=file.hosts,
        services=file.services,
        readers=file.readers,
        lines=tuple(Line(key=entry.key, parts=tuple(_part(part) for part in entry.value)) for entry in file.entries),
    )


def _part(part: str | FileSecret | FileVariable) -> InputText | TemplateSecret | HostName:
    if isinstance(part, str):
        return InputText(text=part)
    if isinstance(part, FileVariable):
        return HostName()
    return TemplateSecret(
        name=part.secret, field=part.field, label=part.label, encode=part.encode, missing=part.missing
    )


def _compose(environment: Environment, stack: ComposeStack, hosts: Mapping[str, Host]) -> ComposeSpec:
    names = list(dict.fromkeys((*stack.services, *stack.images)))
    return ComposeSpec(
        environment=environment.name,
        directory=environment.directory,
        state=environment.state_directory,
        services=tuple(
            _service(stack.services.get(name) or Service(name=name), stack.images.get(name, "")) for name in names
        ),
        migrations=_migrations(stack.migrations, stack.services),
        retain=environment.policy.retain,
        env_files=file_templates(environment),
        project=stack.project,
        files=(
            *(ComposeFile(path=path) for path in stack.files),
            *(ComposeFile(path=path, upload=True) for path in stack.upload),
        ),
        env_file=stack.env_file,
        profiles=stack.compose_profiles,
        registry=_registry(stack.registry),
        sudo=tuple(name for name in environment.hosts if hosts[name].become == "sudo"),
    )


def _process(environment: Environment, stack: ProcessStack) -> ProcessSpec:
    return ProcessSpec(
        environment=environment.name,
        directory=environment.directory,
        state=environment.state_directory,
        services=tuple(_process_service(service) for service in stack.services.values()),
        migrations=_migrations(stack.migrations, stack.services),
        retain=environment.policy.retain,
        env_files=file_templates(environment),
        artifacts=stack.artifacts,
        proxy=f"{stack.proxy.address}:{stack.proxy.port}" if stack.proxy else None,
        ports=(stack.ports.first, stack.ports.last) if stack.ports else None,
    )


def _service(service: Service, image: str) -> ServiceSpec:
    return ServiceSpec(
        name=service.name,
        image=image,
        health=service.health.kind,
        address=service.health.address,
        port=service.health.port,
        path=service.health.path,
        status=service.health.status,
        start_s=service.deadline,
        ready=service.ready_line,
    )


def _process_service(service: ProcessService) -> ServiceSpec:
    return _service(service, "").model_copy(
        update={
            "argv": service.command,
            "env": tuple(sorted(service.env.items())),
            "own_port": service.port,
            "routes": service.routes,
        }
    )


def _migrations(migrations: Migrations | None, services: Mapping[str, Service]) -> MigrationsSpec | None:
    if migrations is None:
        return None
    service = services.get(migrations.service)
    return MigrationsSpec(
        service=migrations.service,
        tool=migrations.tool,
        current=migrations.current,
        known=migrations.known,
        heads=migrations.heads,
        backward_compatible=migrations.backward_compatible,
        upgrade=migrations.upgrade,
        deadline_s=migrations.deadline,
        needs=service.depends if service is not None else (),
    )


def _registry(registry: Registry | None) -> RegistrySpec | None:
    if registry is None:
        return None
    return RegistrySpec(
        host=registry.host,
        user=registry.username,
        credential=registry.password.secret if registry.password else None,
        field=registry.password.field if registry.password else None,
        insecure=registry.insecure,
        ca=registry.ca,
        via=registry.via,
    )

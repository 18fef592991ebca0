"""The contract of all stacks, held by the compose stack: real Compose and a real engine, over real SSH."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator

import pytest

from console.hosts.config import HostConfig
from console.hosts.ssh import SshHost
from console.stacks.base import ComposeFile, ComposeSpec, MigrationsSpec, RegistrySpec, ServiceSpec
from console.stacks.compose import ComposeStack
from console.stacks.registry import Registry, RegistryError
from console.stacks.release import current_revisions, known_revisions, read_releases
from tests.console.stacks.contract import Bench, StackContract
from tests.lab.lab import Lab, LabHost
from tests.lab.places import REGISTRY_PASSWORD, REGISTRY_USER

COMPOSE = """
services:
  backend:
    image: ${REGISTRY}/frontend-prediction:${RELEASE}
    ports: ["8081:80"]
    volumes: ["effects:/effects"]
  web:
    image: ${REGISTRY}/frontend-training:${RELEASE}
    ports: ["8082:80"]
    volumes: ["effects:/effects"]
volumes: {effects: {}}
"""
REPOSITORIES = {"backend": "frontend-prediction", "web": "frontend-training"}


def ssh(lab: Lab, name: str) -> SshHost:
    return SshHost(HostConfig(name=name, address=name, ssh_config=str(lab.operators["tester"].ssh_config)))


def spec_for(lab: Lab, **more: object) -> ComposeSpec:
    base = ComposeSpec(
        environment="staging",
        directory="/opt/app",
        state="/opt/app/.quarterdeck",
        project="contract",
        files=(ComposeFile(path="docker-compose.yml"),),
        env_file=".env",
        services=tuple(
            ServiceSpec(name=name, image=f"{lab.registry}/{repository}:{{release}}")
            for name, repository in REPOSITORIES.items()
        ),
        registry=RegistrySpec(host=lab.registry, insecure=True),
    )
    return base.model_copy(update=more)


def prepare(lab: Lab, host: LabHost, compose: str = COMPOSE) -> None:
    """Deploy directory, compose file, environment file, and a ground for the guard, as the account that deploys."""
    text = f'REGISTRY={lab.registry}\nRELEASE=none\nKEY="-----BEGIN\nAbCdEfGh==\n-----END"\nLAST=1\n'
    script = (
        'umask 077; cd /opt/app && printf %s "$1" >docker-compose.yml && printf %s "$2" >.env'
        " && mkdir -p .quarterdeck && : >.quarterdeck/gate && printf fence >.quarterdeck/fence"
    )
    host.deploy("sh", "-c", script, "prepare", compose, text)


def resolve(lab: Lab, candidate: str) -> dict[str, str]:
    with Registry(RegistrySpec(host=lab.registry, insecure=True)) as registry:
        return {
            name: f"{lab.registry}/{repository}@{registry.digest(repository, candidate)}"
            for name, repository in REPOSITORIES.items()
        }


def answering(host: LabHost) -> str:
    connection = http.client.HTTPConnection(host.ip, 8082, timeout=5)
    try:
        connection.request("GET", "/version.json")
        return str(json.loads(connection.getresponse().read())["release"])
    except (OSError, http.client.HTTPException):
        return ""
    finally:
        connection.close()


@pytest.fixture
def bench(lab: Lab, clean_host: Callable[[str], LabHost]) -> Iterator[Bench]:
    machine = clean_host("lab1")
    prepare(lab, machine)
    host = ssh(lab, "lab1")
    yield Bench(
        host=host,
        stack=ComposeStack(spec_for(lab)),
        directory="/opt/app",
        first="1.0.0",
        second="1.1.0",
        images=lambda candidate: resolve(lab, candidate),
        answers=lambda: answering(machine),
    )
    host.close()


class TestContract(StackContract):
    pass


def test_the_users_files_stay_as_they_are_and_no_value_is_read(lab: Lab, bench: Bench) -> None:
    before = lab.host("lab1").files("/opt/app", (".quarterdeck",))
    ground = bench.ground()
    assert ground.env_keys == ("REGISTRY", "RELEASE", "KEY", "LAST")
    assert "AbCd" not in ground.model_dump_json()
    assert len(ground.env_fingerprint) == 64
    bench.deploy(1, "1.0.0")
    assert lab.host("lab1").files("/opt/app", (".quarterdeck",)) == before


def test_a_compose_file_that_changed_since_planning_stops_the_write(lab: Lab, bench: Bench) -> None:
    ground, release = bench.ground(), bench.release(1, "1.0.0")
    lab.host("lab1").deploy("sh", "-c", "echo '# later' >>/opt/app/docker-compose.yml")
    result = bench.change(bench.stack.write(ground, release, {}))
    assert result.rc == 1
    assert b"is not the file that was planned with" in result.err
    assert read_releases(bench.host, "/opt/app/.quarterdeck") == ()
    assert lab.host("lab1").files("/opt/app/.quarterdeck/releases") == {}


def test_something_started_by_hand_is_seen(lab: Lab, bench: Bench) -> None:
    release = bench.deploy(1, "1.0.0")
    hand = "cd /opt/app && REGISTRY=$1 RELEASE=1.1.0 docker compose -p contract up -d web"
    lab.host("lab1").deploy("sh", "-c", hand, "hand", lab.registry)
    live = bench.live()
    assert live.release is None
    assert len(live.differs) == 1 and live.differs[0].startswith("web runs ")
    assert "nothing of ours started it" in live.differs[0]
    web = live.service("web")
    assert web is not None and web.digest == resolve(lab, "1.1.0")["web"] != release.images["web"]


def test_kept_images_survive_a_prune_and_are_removed_with_their_release(lab: Lab, bench: Bench) -> None:
    first = bench.deploy(1, "1.0.0")
    keep = bench.stack.keep(bench.ground(), first)
    assert keep is not None
    bench.must(keep)
    assert bench.stack.keep(bench.ground(), first) is None
    second = bench.deploy(2, "1.1.0")
    lab.host("lab1").docker("image", "prune", "-af")
    assert set(first.images.values()) <= set(bench.ground().images)
    prune = bench.stack.prune(bench.ground(), (second,), (first,), (first,))
    assert prune is not None
    bench.must(prune)
    ground = bench.ground()
    assert not set(first.images.values()) & set(ground.images)
    assert set(second.images.values()) <= set(ground.images)
    assert ground.kept == () and [one.id for one in ground.releases] == ["r2"]
    assert bench.answers() == "1.1.0"


def test_a_one_off_container_is_named_for_its_step_and_its_words_are_kept(lab: Lab, bench: Bench) -> None:
    release = bench.deploy(1, "1.0.0")
    task = bench.stack.task(
        bench.ground(), release, "web", ("sh", "-c", "hostname; echo a1"), deadline_s=60, into="schema.after"
    )
    before = set(bench.states())
    said = bench.must(task.for_attempt("run", "schema-after", 1))
    assert said.splitlines()[-1] == "a1"
    names = [row["Actor"]["Attributes"].get("name") for row in lab.host("lab1").events(0)]
    assert "qd-run-schema-after-1" in names
    assert set(bench.states()) == before
    (read,) = read_releases(bench.host, "/opt/app/.quarterdeck")
    assert read.database.after is not None and read.database.after[-1] == "a1"


def test_a_login_leaves_nothing_behind_and_a_wrong_password_says_so(lab: Lab, bench: Bench) -> None:
    login = RegistrySpec(host=lab.private_registry, user=REGISTRY_USER, credential="registry", insecure=True)
    stack = ComposeStack(spec_for(lab, registry=login))
    image = f"{lab.private_registry}/frontend-training@{lab.digest('frontend-training', '1.5.0')}"
    release = bench.release(1, "1.0.0").model_copy(update={"images": {"web": image}})
    pull = stack.fetches(bench.ground(), release)[0].run
    assert pull.stdin is not None and pull.stdin.kind == "secret"
    from console.hosts.base import Guard

    def attempt(number: int, password: str) -> tuple[int | None, bytes]:
        guard = Guard("/opt/app", "fence", "run", "pull", number)
        result = bench.host.guarded(pull, guard, stdin=password.encode())
        return result.rc, result.out + result.err

    rc, said = attempt(1, "wrong-password")
    assert rc == 1 and b"did not let lab in" in said and b"wrong-password" not in said
    rc, said = attempt(2, REGISTRY_PASSWORD)
    assert rc == 0, said
    assert REGISTRY_PASSWORD.encode() not in said
    lab1 = lab.host("lab1")
    assert not [name for name in lab1.files("/opt/app") if "login" in name]
    assert not [name for name in lab1.files("/home/deploy") if ".docker" in name]


def test_compose_v1_is_recognised_and_refused(lab: Lab, bench: Bench) -> None:
    lab.host("lab1").fake_compose_v1()
    (problem,) = bench.ground().problems
    assert problem.id == "compose" and "only Docker Compose v1" in problem.reason
    lab.host("lab1").standalone_compose()
    ground = bench.ground()
    assert ground.problems == () and ground.compose == ("docker-compose",)
    lab.host("lab1").hide_compose()
    (problem,) = bench.ground().problems
    assert "has no Docker Compose v2" in problem.reason


def test_a_stopped_engine_and_a_full_disk_are_said(lab: Lab, bench: Bench) -> None:
    lab.host("lab1").fill_disk()
    (problem,) = bench.ground().problems
    assert problem.id == "disk" and "MB are free below /opt/app" in problem.reason
    assert bench.host.run(bench.stack.ready_for(bench.ground())).rc == 1
    lab.host("lab1").free_disk()
    lab.host("lab1").stop_docker()
    (problem,) = bench.ground().problems
    assert problem.id == "engine"
    lab.host("lab1").start_docker()
    assert bench.ground().problems == ()


def test_the_registry_is_read_as_it_is(lab: Lab) -> None:
    with Registry(RegistrySpec(host=lab.registry, insecure=True)) as registry:
        assert registry.digest("backend", "1.1.0") == lab.digest("backend", "1.1.0")
        assert registry.tags("backend")[0] == "1.5.0"
        with pytest.raises(RegistryError, match=r"has no backend:9\.9") as caught:
            registry.digest("backend", "9.9")
        assert caught.value.missing
        with pytest.raises(RegistryError, match="has no repository nothing"):
            registry.tags("nothing")
    private = RegistrySpec(host=lab.private_registry, user=REGISTRY_USER, credential="registry", insecure=True)
    with Registry(private, REGISTRY_PASSWORD) as registry:
        assert registry.digest("backend", "1.1.0") == lab.digest("backend", "1.1.0")
    with Registry(private, "wrong") as registry, pytest.raises(RegistryError, match="does not let lab read") as caught:
        registry.digest("backend", "1.1.0")
    assert "wrong" not in str(caught.value)
    with Registry(RegistrySpec(host=lab.private_registry, insecure=True)) as registry:
        with pytest.raises(RegistryError, match="wants a login"):
            registry.digest("backend", "1.1.0")
    with Registry(RegistrySpec(host=f"{lab.places.gateway}:1", insecure=True)) as registry:
        with pytest.raises(RegistryError) as caught:
            registry.digest("backend", "1.1.0")
        assert caught.value.unreachable


def test_alembic_is_understood(lab: Lab, install_system: Callable[[str, str | None], object]) -> None:
    """What the real Alembic prints, through the real commands."""
    install_system("lab1", "1.1.0")
    host = ssh(lab, "lab1")
    try:
        stack = ComposeStack(
            spec_for(
                lab,
                project="routing-ml",
                services=(ServiceSpec(name="backend", image=f"{lab.registry}/backend:{{release}}"),),
                migrations=MigrationsSpec(service="backend"),
            )
        )
        ground = stack.ground(host)
        current = stack.ask(ground, "backend", ("alembic", "current"))
        known = stack.ask(ground, "backend", ("alembic", "history"))
        assert current is not None and known is not None
        assert current_revisions(host.run(current).text()) == ("a2",)
        assert set(known_revisions(host.run(known).text())) == {"a1", "a2"}
    finally:
        host.close()

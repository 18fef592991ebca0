"""How files become one complete profile: extends, defaults, variables, paths, digest; and which file is meant."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from profiles.errors import ProfileErrors
from profiles.loader import builtin_names, find_profile, load_profile
from profiles.models import ComposeStack, HttpProbe, Profile, PrometheusFeed, SecretName
from tests.profiles.sample import SAMPLE, changed, mistakes, written


def test_a_profile_is_complete_once_loaded(tmp_path: Path) -> None:
    profile = load_profile(written(tmp_path, SAMPLE))
    production = profile.environments["production"]
    assert (production.name, production.hosts, production.directory) == ("production", ("web1",), "/opt/shop")
    assert production.state_directory == "/opt/shop/.quarterdeck"
    assert (production.shown_colour, production.confirmation) == ("red", "name")
    assert isinstance(production.stack, ComposeStack)
    assert production.stack.services["web"].deadline == 90.0
    assert list(production.stack.services) == ["db", "web"]
    assert production.stack.migrations is not None
    assert production.stack.migrations.upgrade == ("python", "-m", "alembic", "upgrade", "head")
    assert production.stack.registry is not None
    assert production.stack.registry.password == SecretName(secret="registry")
    assert isinstance(production.feeds.metrics, PrometheusFeed)
    assert production.checklists[0].file == str(tmp_path / "tasks.md")
    assert production.smoke[1].url == "https://shop.example.com/me"
    probe = production.probes["health"]
    assert isinstance(probe, HttpProbe)
    assert (probe.name, probe.url) == ("health", "https://shop.example.com/health")
    assert profile.hosts["web1"].destination == "web1.example.com"
    assert profile.credentials["smoke-user"].fields == ("username", "password")


def test_the_json_form_goes_round(tmp_path: Path) -> None:
    profile = load_profile(written(tmp_path, SAMPLE))
    stored = json.dumps(profile.dumped())
    again = Profile.model_validate(json.loads(stored))
    assert again == profile
    assert again.dumped() == profile.dumped()
    assert Profile.model_validate_json(stored) == profile


def test_an_environment_says_what_differs_from_the_defaults(tmp_path: Path) -> None:
    text = (
        SAMPLE
        + """\
  staging:
    hosts: [bastion]
    urls: {base: "https://staging.example.com"}
    stack: {project: shop-staging, services: {web: {deadline: 5}}, migrations: null}
    panels: []
  bare:
    inherit: false
    hosts: [bastion]
    directory: "/opt/{environment}"
    stack: {kind: compose, project: bare, files: ["{directory}/c.yml"], services: {web: {health: none}}}
"""
    )
    profile = load_profile(written(tmp_path, text))
    staging, bare = profile.environments["staging"], profile.environments["bare"]
    assert isinstance(staging.stack, ComposeStack)
    assert isinstance(bare.stack, ComposeStack)
    assert (staging.stack.project, staging.stack.files) == ("shop-staging", ("compose.yml",))
    assert staging.stack.migrations is None  # null takes a key away
    assert staging.stack.services["web"].deadline == 5.0
    assert staging.stack.services["web"].depends == ("db",)  # mappings are merged
    assert staging.panels == ()  # lists are replaced
    assert (staging.shown_colour, staging.confirmation) == ("green", "key")
    assert bare.directory == "/opt/bare"
    assert bare.stack.files == ("/opt/bare/c.yml",)
    assert (bare.smoke, bare.probes) == ((), {})


def test_another_kind_replaces_the_whole_mapping(tmp_path: Path) -> None:
    text = (
        SAMPLE
        + """\
  small:
    hosts: [bastion]
    directory: /opt/small
    urls: {base: "http://127.0.0.1:8080"}
    feeds: {logs: null}
    stack:
      kind: process
      artifacts: "/srv/{release}"
      ports: {first: 8100, last: 8110}
      services: {web: {command: [serve]}}
"""
    )
    assert load_profile(written(tmp_path, text)).environments["small"].stack.kind == "process"


def test_a_profile_is_laid_over_another(tmp_path: Path) -> None:
    written(tmp_path, SAMPLE, "base.yaml")
    folder = tmp_path / "mine"
    folder.mkdir()
    child = folder / "child.yaml"
    child.write_text("extends: ../base.yaml\ntitle: Mine\nhosts: {web1: {user: me}}\n")
    profile = load_profile(child)
    assert (profile.title, profile.hosts["web1"].user) == ("Mine", "me")
    assert profile.hosts["web1"].address == "web1.example.com"
    assert profile.environments["production"].checklists[0].file == str(folder / ".." / "tasks.md")
    assert profile.source is not None
    assert [Path(file).name for file in profile.source.files] == ["child.yaml", "base.yaml"]


def test_a_mistake_in_what_is_extended_is_told_in_its_own_file(tmp_path: Path) -> None:
    written(tmp_path, changed("via: web1", "via: wep1"), "base.yaml")
    child = tmp_path / "child.yaml"
    child.write_text("extends: base.yaml\ntitel: Mine\n")
    with pytest.raises(ProfileErrors) as caught:
        load_profile(child)
    assert [(Path(one.file).name, one.line, one.column) for one in caught.value.problems] == [
        ("base.yaml", 22, 68),
        ("child.yaml", 2, 1),
    ]
    assert str(caught.value).endswith("2 mistakes; the profile is not used.")


def test_one_mistake_in_the_defaults_is_one_mistake(tmp_path: Path) -> None:
    more = '  b: {hosts: [bastion], directory: /opt/b, urls: {base: "https://b"}, stack: {project: b}}\n'
    assert mistakes(tmp_path, SAMPLE + more) == []
    assert len(mistakes(tmp_path, changed("deadline: 90s", "deadline: soon") + more)) == 1


def test_variables_stand_for_texts_everywhere(tmp_path: Path) -> None:
    text = changed("title: Shop", 'title: "{what} shop"\nvariables: {what: Corner, ssh_port: 2222}')
    text = changed("user: ops}", 'user: ops, port: "{ssh_port}"}', text)
    profile = load_profile(written(tmp_path, text))
    assert (profile.title, profile.hosts["bastion"].port) == ("Corner shop", 2222)
    profile = load_profile(tmp_path / "shop.yaml", variables={"what": "Book"})
    assert profile.title == "Book shop"


def test_a_variable_without_a_value_is_one_mistake(tmp_path: Path) -> None:
    text = changed("title: Shop", 'title: "{what}"\nvariables: {what: null}')
    assert mistakes(tmp_path, text) == [
        "shop.yaml:3:13: variables: `what` has no value here. This profile is filled in by the command that uses it."
    ]
    assert load_profile(tmp_path / "shop.yaml", variables={"what": "Book"}).title == "Book"


def test_the_digest_covers_all_that_decides_what_is_done(tmp_path: Path) -> None:
    text = changed("files: [compose.yml]", "upload: [compose.yml]")
    (tmp_path / "compose.yml").write_text("services: {}\n")

    def digest() -> str:
        source = load_profile(tmp_path / "shop.yaml").source
        assert source is not None
        return source.digest

    written(tmp_path, text)
    first = digest()
    assert digest() == first
    (tmp_path / "tasks.md").write_text("# Other tasks\n")
    assert digest() == first
    (tmp_path / "compose.yml").write_text("services: {evil: {}}\n")
    second = digest()
    assert second != first
    written(tmp_path, text + "# a comment\n")
    assert digest() not in (first, second)


def test_which_profile_is_meant(tmp_path: Path) -> None:
    cwd, config = tmp_path / "cwd", tmp_path / "config"
    cwd.mkdir()
    config.mkdir()
    assert find_profile(None, cwd, config) is None
    (config / "profile.yaml").write_text(SAMPLE)
    found = find_profile(None, cwd, config)
    assert found is not None
    assert (found.origin, found.path) == ("default", config / "profile.yaml")
    (cwd / "quarterdeck.yaml").write_text(SAMPLE)
    found = find_profile(None, cwd, config)
    assert found is not None
    assert (found.origin, found.path) == ("working directory", cwd / "quarterdeck.yaml")
    (cwd / "other.yaml").write_text(SAMPLE)
    found = find_profile("other.yaml", cwd, config)
    assert found is not None
    assert (found.origin, found.path) == ("argument", cwd / "other.yaml")
    found = find_profile("demo", cwd, config)
    assert found is not None
    assert (found.origin, found.name) == ("built-in", "demo")
    with pytest.raises(ProfileErrors, match=r"There is no profile `demoo`\. Did you mean `demo`\?"):
        find_profile("demoo", cwd, config)


@pytest.mark.parametrize("name", ["missing.yaml", "~nobody-at-all/x.yaml", "", ".", "a" * 5000, "a\0b"])
def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ProfileErrors) as caught:
        load_profile(name)
    assert len(caught.value.problems) == 1
    with pytest.raises(ProfileErrors):
        find_profile(name, tmp_path, tmp_path)


def test_builtin_profiles_are_known_by_name() -> None:
    assert builtin_names() == ("demo", "routing-ml")


def test_the_errors_alone_need_no_heavy_package() -> None:
    code = "import sys, profiles.errors, profiles.starter; print('yaml' in sys.modules, 'pydantic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["False", "False"]
    code = "import sys, profiles.models; print('yaml' in sys.modules, 'promql_parser' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    with pytest.raises(ProfileErrors, match="is not a regular file"):
        load_profile(tmp_path / "pipe.yaml")


PROCESS = """\
system: tool
hosts: {here: {local: true}, self: {local: true}}
defaults:
  directory: "/srv/{environment}"
  stack: {kind: process, artifacts: "/srv/releases/{release}", services: {web: {command: [serve]}}}
environments:
  a: {hosts: [here], stack: {proxy: {port: 8000}, ports: {first: 8100, last: 8110}}}
  b: {hosts: [self], stack: {proxy: {port: 8001}, ports: {first: 8111, last: 8120}}}
"""


def test_processes_of_two_environments_on_one_machine_share_no_port(tmp_path: Path) -> None:
    assert mistakes(tmp_path, PROCESS) == []
    assert mistakes(tmp_path, changed("first: 8111", "first: 8110", PROCESS)) == [
        "shop.yaml:8:58: environments.b.stack.ports: The ports 8110 to 8120 overlap with those of `a` (8100 to 8110), "
        "on the same host. Give `b` ports of its own."
    ]
    assert mistakes(tmp_path, changed("port: 8001", "port: 8000", PROCESS)) == [
        "shop.yaml:8:44: environments.b.stack.proxy.port: The proxy port `8000` is already that of `a`, on the same "
        "host. Give `b` one of its own."
    ]


def test_a_process_has_no_container(tmp_path: Path) -> None:
    said = mistakes(tmp_path, changed("command: [serve]", "command: [serve], health: container", PROCESS))
    assert said == [
        "shop.yaml:5:107: environments.a.stack.services.web.health: A plain process has no container. Use kind: http, "
        "or none.",
    ]
    said = mistakes(tmp_path, changed("[serve]", "['{artifacts}/x', '{prot}']", PROCESS))
    assert said == [
        "shop.yaml:5:108: environments.a.stack.services.web.command.1: The variable {prot} is not known here. Did you "
        "mean {port}?",
    ]


def test_the_digest_covers_an_ssh_configuration_since_that_may_run_commands_here(tmp_path: Path) -> None:
    (tmp_path / "ssh_config").write_text("Host *\n  User deploy\n")
    file = written(tmp_path, changed("address: web1.example.com", "address: web1.example.com, ssh_config: ssh_config"))

    def digest() -> str:
        source = load_profile(file).source
        assert source is not None
        return source.digest

    first = digest()
    assert digest() == first
    (tmp_path / "ssh_config").write_text('Match exec "touch evil"\n  User deploy\n')
    second = digest()
    assert second != first
    (tmp_path / "ssh_config").unlink()
    assert digest() not in (first, second)
    os.mkfifo(tmp_path / "ssh_config")
    assert digest()  # and nobody waits for a writer


WHOLE_STACKS = [
    (
        "kind: process, services: {web: {command: [serve]}}",
        ["`artifacts` is missing here.", "`stack` needs `ports`: {first: …, last: …} for the services"],
    ),
    (
        'kind: process, artifacts: "/srv/x", services: {web: {command: [serve]}}',
        ["`stack` needs {release} in `artifacts`", "`stack` needs `ports`: {first: …, last: …} for the services"],
    ),
    (
        "kind: process, artifacts: '/srv/{release}', prots: {first: 1, last: 2}, services: {web: {command: [serve]}}",
        ["`prots` is not known here. Did you mean `ports`?"],
    ),
    (
        "kind: compose, services: {web: {health: none}}, registry: {username: me}",
        [
            "`project` is missing here.",
            "`stack` needs its compose files once",
            "`host` is missing here.",
            "`registry` needs both `username` and `password`",
        ],
    ),
]


@pytest.mark.parametrize(("stack", "said"), WHOLE_STACKS)
def test_what_a_stack_lacks_as_a_whole_is_told_with_its_other_mistakes(
    tmp_path: Path, stack: str, said: list[str]
) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(
        "system: x\nhosts: {here: {local: true}}\nenvironments:\n"
        f"  only:\n    hosts: [here]\n    directory: /srv/x\n    stack: {{{stack}}}\n"
    )
    with pytest.raises(ProfileErrors) as caught:
        load_profile(file)
    found = [problem.wrong + " " + problem.right for problem in caught.value.problems]
    assert len(found) == len(said), found
    for words in said:
        assert sum(words in one for one in found) == 1, (words, found)

"""The built-in profile `demo` and the demo system say the same: words, routes, ports, files."""

from __future__ import annotations

from pathlib import Path

from console.demo import control
from console.demo.control import ENVIRONMENTS, DemoSystem
from console.demo.routing import SERVICES
from console.demo.service import READY_LINE
from console.stacks import layout
from profiles.loader import load_profile
from profiles.models import FileLogs, ProcessStack


def test_the_profile_fits_the_system(tmp_path: Path) -> None:
    system = DemoSystem(tmp_path)
    system._write_blocks({"staging": 18_000, "production": 18_016})
    profile = load_profile("demo", variables=system.variables())
    assert tuple(profile.environments) == ENVIRONMENTS
    assert profile.keyring == "demo" and list(profile.credentials) == ["demo-login"]
    for name, first in (("staging", 18_000), ("production", 18_016)):
        environment = profile.environments[name]
        stack = environment.stack
        assert isinstance(stack, ProcessStack)
        assert environment.directory == str(system.directory(name))
        assert environment.urls == {"base": f"http://127.0.0.1:{first}"}
        assert stack.proxy is not None and stack.ports is not None
        assert (stack.proxy.port, stack.ports.first, stack.ports.last) == (first, first + 2, first + 15)
        assert stack.artifacts == f"{system.releases}/{{release}}"
        assert tuple(stack.services) == SERVICES
        prefixes = {(prefix, service.name) for service in stack.services.values() for prefix in service.routes}
        assert prefixes == set(control.PREFIXES)
        for service in stack.services.values():
            words = [word.replace("{artifacts}", "DIR").replace("{port}", "18002") for word in service.command]
            assert tuple(words) == system.service_argv(service.name, "DIR", 18_002)
            assert service.ready_line == READY_LINE
        logs = environment.feeds.logs
        assert isinstance(logs, FileLogs)
        written = {layout.log_file(environment.directory, service) for service in SERVICES}
        assert {file.path.replace("{directory}", environment.directory) for file in logs.files} == written

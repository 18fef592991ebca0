"""What explains a line of a pane, and the words that open a shell. Reads only."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from console.environment import host_config
from console.hosts.base import HostError
from console.session import AskFailed
from console.stacks.base import StackError
from console.text.sanitise import clean_lines
from console.text.times import clock_of

if TYPE_CHECKING:
    from console.environment import Environment
    from profiles.feeds import Metric
    from profiles.models import Profile


def explain(environment: Environment, kind: str, name: str) -> str:
    """Sanitised text about a service (`name` or `name@host`), a host or a panel. Raises AskFailed."""
    try:
        if kind == "service":
            return _service(environment, name)
        if kind == "host":
            facts = environment.hosts[name].connect()
            address, took = environment.hosts[name].address, f"{facts.exec_s * 1000:.0f} ms"
            return f"{name}: {address}\n{facts.kernel}, as {facts.user}, an empty command takes {took}"
        if kind == "panel":
            panel = next((one for one in environment.config.panels if one.title == name), None)
            if panel is None:
                return f"There is no panel {name}."
            parts = [panel.title, panel.help, panel.query or (metric_words(panel.scrape) if panel.scrape else "")]
            return "\n\n".join(part for part in parts if part)
    except (HostError, StackError, OSError) as error:
        return str(error)
    return f"Nothing more is known of {name}."


def metric_words(metric: Metric) -> str:
    """How a figure is made of what targets answer, in a sentence without its full stop."""
    over = f" over {metric.window:g} s"
    kinds = {
        "value": metric.metric,
        "rate": f"increase a second of {metric.metric}{over}",
        "quantile": f"the value below which {metric.quantile:.0%} of {metric.metric} lie{over}",
    }
    words = kinds[metric.function]
    if metric.function != "quantile":
        words += f", {metric.combine} of all samples"
    if metric.match:
        words += " with " + ", ".join(f"{label} like {value}" for label, value in metric.match.items())
    return f"{words}\ndivided by: {metric_words(metric.divide_by)}" if metric.divide_by is not None else words


def _service(environment: Environment, name: str) -> str:
    service, _, host = name.partition("@")
    names = [host] if host else list(environment.config.hosts)
    parts = []
    for one in names:
        found = environment.stack.live(environment.hosts[one]).service(service)
        if found is None:
            parts.append(f"{service} is not there on {one}.")
            continue
        rows = {
            "state": f"{found.state}, health {found.health}"
            + (f", exit code {found.exit_code}" if found.exit_code is not None else ""),
            "started": clock_of(found.since),
            "restarts": str(found.restarts),
            "runs": found.runs,
            "release": found.release or "none: no run of this console started it",
            "process" if environment.config.stack.kind == "process" else "container": found.container[:12],
            "ports": ", ".join(found.ports),
            "its health check said": found.said,
        }
        parts.append(f"{service} on {one}\n" + "\n".join(f"  {key}: {value}" for key, value in rows.items() if value))
    return "\n".join(clean_lines("\n\n".join(parts)))


def shell_words(profile: Profile, environment: Environment, host: str, service: str | None) -> tuple[str, ...]:
    """The words that open a shell on a host, or in a service's container there. Raises AskFailed."""
    inside: tuple[str, ...] = ()
    if service:
        if environment.config.stack.kind != "compose":
            raise AskFailed(
                "A process has no shell of its own.",
                ("tab to another pane, then s: a shell on its host", "or choose the line of the host, then s"),
            )
        try:
            found = environment.stack.live(environment.hosts[host]).service(service)
        except (HostError, StackError, OSError) as error:
            raise AskFailed(str(error), exit_code=5) from error
        if found is None or found.state != "running":
            raise AskFailed(f"{service} does not run on {host}, so there is no shell in it.")
        inside = ("docker", "exec", "-it", found.container, "sh")
    entry = profile.hosts[host]
    if entry.local:
        return inside or ("sh", "-i")
    config = host_config(profile, entry)
    words = ["ssh", "-t", "-o", "StrictHostKeyChecking=yes"]
    if config.ssh_config:
        words += ["-F", config.ssh_config]
    if config.known_hosts:
        words += ["-o", f'UserKnownHostsFile="{config.known_hosts}"', "-o", "GlobalKnownHostsFile=none"]
    if config.identity:
        words += ["-i", config.identity, "-o", "IdentitiesOnly=yes"]
    if config.port:
        words += ["-p", str(config.port)]
    jumps = [jump if isinstance(jump, str) else _jump(jump.user, jump.address, jump.port) for jump in config.jump]
    if jumps:
        words += ["-J", ",".join(jumps)]
    words.append(f"{config.user}@{config.address}" if config.user else config.address)
    if inside:
        words.append(shlex.join(inside))
    return tuple(words)


def _jump(user: str | None, address: str, port: int | None) -> str:
    return f"{user + '@' if user else ''}{address}{f':{port}' if port else ''}"

"""Run a command that the team has reviewed and put into the profile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field

from actions.site import read_behind
from console.runs.api import Action, Command, FactsContext, Frozen, Params, Plan, Refusal, Step, TextBlock


class CommandParams(Params):
    name: str = Field(title="Command", description="Its name in the profile, under `commands`.")


class CommandFacts(Frozen):
    environment: str
    hosts: tuple[str, ...]
    """Hosts of the environment."""
    known: tuple[str, ...]
    """Names of all reviewed commands."""
    title: str = ""
    argv: tuple[str, ...] = ()
    on: tuple[str, ...] = ()
    """Hosts that it runs on."""
    changes: bool = True
    sudo: bool = False
    deadline_s: float = 60.0
    behind: tuple[str, ...] = ()
    """Sentences about hosts that were left out of the live release."""


class ReviewedCommand(Action[CommandParams, CommandFacts]):
    """The words stand in the profile; nothing can be added to them here."""

    name: ClassVar[str] = "command"
    title: ClassVar[str] = "Run a reviewed command"
    help: ClassVar[str] = "Runs one of the profile's reviewed commands on its hosts, one host after the other."
    danger: ClassVar[Literal["reads", "changes", "destroys"]] = "changes"
    params_type: ClassVar[type[Params]] = CommandParams
    facts_type: ClassVar[type[Frozen]] = CommandFacts

    def facts(self, ctx: FactsContext, params: CommandParams) -> CommandFacts:
        environment = ctx.environment
        hosts, commands = tuple(environment.hosts), environment.config.commands
        base = CommandFacts(environment=environment.name, hosts=hosts, known=tuple(commands))
        command = commands.get(params.name)
        if command is None:
            return base
        return base.model_copy(
            update={
                "title": command.title,
                "argv": tuple(word.replace("{directory}", environment.directory) for word in command.argv),
                "on": tuple(name for name in command.hosts or hosts if name in hosts),
                "changes": command.danger == "changes",
                "sudo": command.become == "sudo",
                "deadline_s": command.deadline,
                "behind": read_behind(ctx) if len(hosts) > 1 else (),
            }
        )

    def plan(self, facts: CommandFacts, params: CommandParams) -> Plan | Refusal:
        """One step a host. Pure."""
        if not facts.argv:
            known = ", ".join(facts.known) or "none"
            return Refusal(
                reason=f"{facts.environment} has no reviewed command {params.name}.", ways_out=(f"it has: {known}",)
            )
        if not facts.on:
            return Refusal(
                reason=f"{params.name} runs on none of the hosts that take part.", ways_out=("take its host in again",)
            )
        steps: list[Step] = []
        for host in facts.on:
            steps.append(
                Step(
                    id="command" if len(facts.on) == 1 else f"command.{host}",
                    title=f"{facts.title} on {host}",
                    host=host,
                    run=Command(
                        argv=facts.argv,
                        writes=facts.changes,
                        detach=facts.changes,
                        become="sudo" if facts.sudo else "none",
                        deadline_s=facts.deadline_s,
                    ),
                    no_undo="a reviewed command has no undo of its own" if facts.changes else None,
                    needs=(steps[-1].id,) if steps else (),
                    cancel="ask" if facts.changes else "now",
                )
            )
        return Plan(
            action=self.name,
            environment=facts.environment,
            title=f"{facts.title} on {facts.environment}",
            claims=(f"environment:{facts.environment}",),
            hosts=facts.hosts,
            steps=tuple(steps),
            blocks=tuple(TextBlock(title="Behind", text=text, tone="warn") for text in facts.behind),
        )

    def suggest(self, ctx: FactsContext, field: str) -> Sequence[tuple[str, str]]:
        if field != "name":
            return ()
        return [(name, command.title) for name, command in ctx.environment.config.commands.items()]


ACTION = ReviewedCommand()

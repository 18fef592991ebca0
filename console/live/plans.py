"""Actions of a session: listed, their forms, plans made of them, a confirmed plan started as a run."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from console.session import WITHOUT, ActionShown, AskFailed, FieldShown, PlanShown

if TYPE_CHECKING:
    from console.live.ground import Ground
    from console.live.runs import RunsDesk


class PlansDesk:
    """Plans what is asked for; starts what was confirmed."""

    def __init__(self, ground: Ground, runs: RunsDesk) -> None:
        self._ground = ground
        self._runs = runs

    def actions(self) -> tuple[ActionShown, ...]:
        """Every action that can be used; the console is told of the others."""
        from console.plugins import load_all

        found = load_all()
        for warning in found.warnings:
            self._ground.tell(warning)
        return tuple(ActionShown(one.name, one.title, one.help, one.danger) for one in found.actions.values())

    def form(self, action: str, environment: str) -> tuple[FieldShown, ...]:
        """The action's parameters; a suggestion that cannot be read is left out, and said."""
        from console.live.door import asked
        from console.live.shown import fields_shown
        from console.plugins import load
        from console.runs.planning import Context
        from console.session import Locked

        plugin = load(action)
        context = Context(self._ground.bound(environment), self._ground.who(), {}, self._ground.keys.get)
        suggestions = {}
        for name in plugin.params_type.model_fields:
            try:
                with asked():
                    suggestions[name] = tuple(plugin.suggest(context, name))
            except Locked:
                raise
            except AskFailed as error:
                suggestions[name] = ()
                self._ground.tell(f"No suggestions for {name}: {error}")
        return (*fields_shown(plugin, suggestions), *self._leaving_out(environment))

    def _leaving_out(self, environment: str) -> tuple[FieldShown, ...]:
        """The field for hosts to leave out, where there are several."""
        hosts = self._ground.bound(environment).config.hosts
        if len(hosts) < 2:
            return ()
        choices = tuple((name, "nothing is done there; it stays behind") for name in hosts)
        help_ = "Hosts that do not answer, or are not to be touched, by name; several with commas. Empty: none."
        return (FieldShown(WITHOUT, "Leave out", help_, "text", required=False, choices=choices),)

    def plan(self, action: str, environment: str, values: Mapping[str, str], *, unseen: bool = False) -> PlanShown:
        """Facts read, and planned; without the hosts that `values` says to leave out. `unseen`: nobody will read it.

        Raises NoSuchAction, BadParameters, NotToBeLeftOut, AskFailed, CredentialError.
        """
        from console.live.beforehand import told
        from console.live.masked import masked
        from console.live.shown import planned_shown
        from console.plugins import load
        from console.runs.left_out import without
        from console.runs.planning import make_plan, parameters

        names = [name.strip() for name in values.get(WITHOUT, "").split(",") if name.strip()]
        bound = without(self._ground.bound(environment), names)
        plugin = load(action)
        given = {name: value for name, value in values.items() if value != "" and name != WITHOUT}
        params = parameters(plugin, given)
        who, secret = self._ground.who(), self._ground.keys.get
        planned = make_plan(plugin, bound, params, user=who, secret=secret, unseen=unseen)
        shown = planned_shown(planned, plugin, environment, params.model_dump(mode="json"))
        if planned.plan is not None:
            shown = told(shown, bound, planned.plan.hosts)
        return masked(shown, self._ground.redactor.text)

    def keep(self, plan: PlanShown) -> None:
        """Remember a plan that was shown, the last one of each action and environment, for `since`."""
        from console.runs.planning import Planned

        if isinstance(plan.token, Planned) and plan.token.plan is not None:
            self._ground.records.remember(_key(plan), plan.token.plan.model_dump(mode="json"))

    def since(self, expect: str, plan: PlanShown) -> str:
        """What differs between the plan of the digest `expect`, if it was shown here, and `plan`; empty if unknown."""
        from console.runs.api import Plan
        from console.runs.difference import difference
        from console.runs.planning import Planned

        kept = self._ground.records.remembered(_key(plan))
        if kept is None or not isinstance(plan.token, Planned) or plan.token.plan is None:
            return ""
        try:
            before = Plan.model_validate(kept)
        except ValueError:
            return ""  # of another version of this program
        return difference(before, plan.token.plan) if before.digest.startswith(expect) else ""

    def start(self, plan: PlanShown, reason: str, *, session_bound: bool = False) -> str:
        """The run of a confirmed plan, with its runner; its id. Raises AskFailed, ClaimHeld, CredentialError."""
        from console.live.beforehand import allow
        from console.plugins import load
        from console.runs.create import create_run
        from console.runs.lease import ClaimHeld, unclaim
        from console.runs.planning import Planned, parameters

        ground = self._ground
        planned = plan.token
        if not isinstance(planned, Planned) or planned.plan is None:
            raise AskFailed("There is no plan to run.", exit_code=4)
        allow(ground.bound(plan.environment), planned.plan.hosts, session_bound=session_bound)
        for name in planned.plan.credentials:
            ground.keys.get(name)  # a locked keyring is asked for now, not by a runner that has no terminal
        create = partial(
            create_run,
            ground.records,
            system=ground.profile.system,
            profile_key=ground.remember_profile(),
            plan=planned.plan,
            params=parameters(load(plan.action), dict(plan.params)),
            facts=planned.facts,
            draws=planned.draws,
            who=ground.who(),
            reason=reason,
        )
        try:
            run = create()
        except ClaimHeld as held:
            if not self._runs.ended_elsewhere(held.run):
                raise
            unclaim(ground.records.database, held.run)
            run = create()
        ground.record(
            "asked.run",
            {
                "run": run,
                "action": plan.action,
                "environment": plan.environment,
                "digest": plan.digest,
                "reason": reason,
                **({"without": list(planned.plan.without)} if planned.plan.without else {}),
                **({"session_bound": True} if session_bound else {}),
            },
        )
        self._runs.spawn(run)
        return run


def _key(plan: PlanShown) -> str:
    return f"plan:{plan.action}:{plan.environment}"

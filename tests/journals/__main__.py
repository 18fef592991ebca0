"""`python -m tests.journals`: keep runs, and plans of each shipped action, as the version of this checkout writes.

What is there stays as it is; what is not is added.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from actions import baseline, command, configure, level, rollback, rotate, services
from actions.deploy import ACTION as DEPLOY
from console import __version__
from console.runs.api import Plan
from console.runs.create import create_run
from console.store.database import Database
from console.store.records import Records
from tests.actions import test_behind, test_configure, test_deploy, test_others, test_rollback, test_rotate
from tests.actions.sites import ground, site, spec
from tests.journals.kept import HERE, STATES, keep

RELEASES = (test_rollback.R1, test_rollback.R2, test_rollback.R3)
ROLLED = test_rollback.facts(*RELEASES, the_spec=spec(migrations=test_rollback.MIGRATIONS), schema_now=("a2",))
RUNNING = services.ServiceFacts(site=site(ground("a")))
STOPPED = services.ServiceFacts(site=site(ground("a", state="exited")))
WEB = services.ServiceParams(service="web")
PLANNED = (
    (DEPLOY, test_deploy.PARAMS, test_deploy.MIGRATING),
    (rollback.ACTION, rollback.RollbackParams(to="1.1.0"), ROLLED),
    (baseline.ACTION, baseline.BaselineParams(), baseline.BaselineFacts(site=site(ground("a")))),
    (services.RESTART, WEB, RUNNING),
    (services.STOP, WEB, RUNNING),
    (services.START, WEB, STOPPED),
    (level.ACTION, level.LevelParams(), level.LevelFacts(site=test_behind.late())),
    (command.ACTION, command.CommandParams(name="trim"), test_others.COMMAND),
    (configure.ACTION, configure.ConfigureParams(), test_configure.CHANGED),
)
"""An action, its parameters and facts, as tests/actions plans them."""
ROTATED = tuple(
    (name, rotate.ACTION, rotate.RotateParams(credential="it", **params), test_rotate.facts(rotation, **more))
    for name, rotation, params, more in test_rotate.CASES
)

target = HERE / __version__
for name, state in STATES.items():
    if not (target / name).exists():
        keep(target / name, state)
(target / "plans").mkdir(exist_ok=True)
for name, action, params, facts in (*((one[0].name, *one) for one in PLANNED), *ROTATED):
    if (target / "plans" / f"{name}.jsonl").exists():
        continue
    plan = action.plan(facts, params)
    assert isinstance(plan, Plan), plan
    with tempfile.TemporaryDirectory() as made:
        records = Records(Database(Path(made) / "store"))
        who = "anna@bastion"
        run = create_run(
            records,
            system="kept",
            profile_key="profile:kept",
            plan=plan,
            params=params,
            facts=facts,
            draws={},
            who=who,
            reason="to be kept",
        )
        (target / "plans" / f"{name}.jsonl").write_text(records.read(run)[0].line() + "\n")
        records.database.close()

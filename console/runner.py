"""The detached process that executes one run: `python -P -m console.runner --run ID --state DIR`.

Started from `/` so that a stranger's `console/` is never imported. Imports all it needs before the first change; where
an upgrade replaced files until then, it begins anew as itself, so that two versions are never mixed. Knows no screen;
its terminal may be gone.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from console import GARBAGE
from console.runs.program import Stamp, begin_anew, stamp
from console.text.writer import SafeWriter

if TYPE_CHECKING:
    from console.runs.reached import Ahead
    from profiles.models import Profile

LATE: tuple[str, ...] = (
    "console.hosts.ssh",
    "docker",
    "paramiko",
    "requests",
    "console.credentials.choose",
    "console.credentials.sealed",
    "console.credentials.store",
    "console.environment",
    "console.hosts.docker_api",
    "console.hosts.http",
    "console.hosts.local",
    "console.live.keys",
    "console.probes.look",
    "console.runs.fence",
    "console.runs.planning",
    "console.runs.prune",
    "console.runs.sinks",
    "console.stacks.binding",
    "console.stacks.compose",
    "console.stacks.process",
    "cryptography.hazmat.primitives.asymmetric.ed25519",
    "cryptography.hazmat.primitives.serialization",
    "difflib",
    "nacl.public",
)
"""Modules that are imported late elsewhere."""


def main(argv: list[str] | None = None) -> int:
    """Execute the run; the run's exit code, 6 while it has no ending or could not begin, 4 if another executes it.

    SIGTERM stops it at the next boundary of a step, to be resumed; SIGHUP does nothing.
    """
    gc.set_threshold(*GARBAGE)
    parser = argparse.ArgumentParser(prog="console.runner")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--run")
    which.add_argument("--wait-fd", type=int)
    parser.add_argument("--state", required=True)
    parser.add_argument("--profile")
    parser.add_argument("--key-fd", type=int)
    parser.add_argument("--likely", nargs=2, help="profile and environment of the run it waits for")
    parser.add_argument("--anew", action="store_true", help="it has begun anew once already")
    given = parser.parse_args(argv)
    began = stamp()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    os.environ["QUARTERDECK_STATE_DIR"] = given.state
    with safe_output():
        if given.wait_fd is not None:
            return wait(given.wait_fd, Path(given.state), began, given.likely)
        return execute(given.run, Path(given.state), given.key_fd, given.profile, began, anew=given.anew)


@contextmanager
def safe_output() -> Iterator[None]:
    """Whatever is written to standard output and error inside goes to the runner's log safe and redacted.

    That is also what threads and libraries write, and the trace of an error that nobody expected: it ends the runner
    with 6, since what became of the run is not known here.
    """
    before = sys.stdout, sys.stderr
    writer = SafeWriter(sys.stderr)
    sys.stdout = sys.stderr = writer
    try:
        yield
    except Exception as error:
        import traceback

        traceback.print_exc(file=writer)
        raise SystemExit(6) from error
    finally:
        writer.finish()
        sys.stdout, sys.stderr = before


def wait(descriptor: int, state: Path, began: Stamp, likely: Sequence[str] | None = None) -> int:
    """Import what any run may need, wait to be told which one, and execute it; 0 if nobody says so.

    `began`: the program's stamp before anything was imported. If it is another one now, a fresh runner takes its place.
    `likely`: profile and environment that the run will be of; its hosts are connected to meanwhile.
    """
    import console.runs.engine  # noqa: F401 - beforehand
    from console.assembly import op_handlers
    from console.runs.waiting import told

    op_handlers()
    everything().join()
    ahead = reach(*likely) if likely is not None else None
    task = told(descriptor)
    if task is None:
        if ahead is not None:
            ahead.close()
        return 0
    log = os.open(task.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    for descriptor_of_output in (1, 2):
        os.dup2(log, descriptor_of_output)
    os.close(log)
    if not task.key_fd:
        os.close(descriptor)
    key_fd = descriptor if task.key_fd else None
    if stamp() != began:
        _failed("the program was replaced while this runner waited: a fresh one takes its place")
        begin_anew(task.run, state, key_fd, task.profile)
    return execute(task.run, state, key_fd, task.profile, began, ahead=ahead)


def reach(profile: str, environment: str) -> Ahead | None:
    """Begin to connect to the hosts of an environment; None where there is no such one."""
    from console.runs.reached import Ahead, Likely
    from console.store.database import Database, StoreUnusable
    from console.store.places import PlaceUnusable, places
    from console.store.records import Records

    with suppress(StoreUnusable, PlaceUnusable, KeyError, ValueError), closing(Database(places().database)) as database:
        return Ahead(Records(database), Likely(profile, environment))
    return None


class Replaced(Exception):
    """The program's files were replaced again while they were being imported. A sentence."""

    exit_code = 6


def execute(
    run: str,
    state: Path,
    key_fd: int | None,
    profile_key: str | None,
    began: Stamp,
    *,
    anew: bool = False,
    ahead: Ahead | None = None,
) -> int:
    """Put the engine together and let it carry the run on. `profile_key`: of a profile to use instead of the run's.

    `began`: the program's stamp before anything was imported. `anew`: this is a fresh runner in place of another.
    `ahead`: an environment whose hosts are being connected to, used if it is the run's.
    """
    from console.assembly import op_handlers
    from console.credentials.cores import no_core_dumps
    from console.credentials.labelled import Labelled
    from console.credentials.unlock import read_key_fd, write_key_fd
    from console.environment import bind
    from console.live.keys import Keys
    from console.plugins import NoSuchAction, load
    from console.runs.create import who_am_i
    from console.runs.engine import Engine, Tools
    from console.runs.lease import LeaseHeld, Leases
    from console.runs.model import fold
    from console.runs.prune import daily
    from console.runs.sinks import tell
    from console.runs.spool import Spool
    from console.store.database import Database, StoreUnusable
    from console.store.places import places
    from console.store.records import Records
    from console.text.redact import Redactor
    from console.timing import DEFAULT
    from profiles.models import Profile

    no_core_dumps(of_children=True)
    where = places()
    records = Records(Database(where.database))
    Leases(records.database).make_way(run, DEFAULT.lease_s)
    try:
        view = fold(records.read(run))
        kept_as = profile_key or str(view.body.get("profile", ""))
        body = records.remembered(kept_as) if view.body else None
        if body is None:
            return _failed(f"The store {where.database} holds no run {run}, or not its profile.")
        profile = Profile.model_validate(body)
        redactor = Redactor()
        if isinstance(sys.stderr, SafeWriter):
            sys.stderr.redact_with(redactor)
        keys = Keys(profile, where.keyring, redactor)
        if key_fd is not None:
            keys.take_key(read_key_fd(key_fd))
        try:
            action = load(view.action)
        except NoSuchAction as error:
            print(error, file=sys.stderr)  # noqa: T201 - the runner's own log
            action = None
        imported = everything(records.database.keep_reserve)

        def ready() -> None:
            """Return once all is imported, of one version. Before the first change; another begins anew."""
            imported.join()
            if stamp() == began:
                return
            if anew:
                raise Replaced("The program is being replaced just now. Go on once that is over: runs resume.")
            engine.say("the program was replaced while this runner began: a fresh one goes on")
            key = keys.session_key()
            begin_anew(run, state, write_key_fd(key) if key is not None else None, profile_key)

        secret = only_its_own(profile, view.environment, keys.get)
        fingerprints = only_its_own(profile, view.environment, keys.fingerprint)
        reached = ahead.take(kept_as, view.environment, secret, fingerprints) if ahead is not None else None
        environment = reached or bind(
            profile, view.environment, secrets=secret, fingerprints=fingerprints, unattended=True
        )
        spool = Spool(where.spool(run), redactor)
        try:
            keyring = Labelled(keys.credentials, redactor.add, rotated(profile, view.environment))
            tools = Tools(
                records, environment, action, op_handlers(), redactor, spool, secret, who_am_i(), keyring, ready
            )
            engine = Engine(run, tools)
            signal.signal(signal.SIGTERM, lambda *_: engine.stopping.set())
            code = engine.execute()
            for sentence in tell(records, profile.audit, secret, who_am_i()):
                spool.say("", 0, sentence)
            daily(records, where, who_am_i())
            return code
        except LeaseHeld as error:
            return _failed(str(error), LeaseHeld.exit_code)
        except Replaced as error:
            engine.say(f"stopped: {error}")
            return _failed(str(error))
        finally:
            imported.join()  # a thread that is still at work when the interpreter ends can abort the process
            spool.close()
            environment.close()
    except StoreUnusable as error:
        return _failed(str(error))


def only_its_own(profile: Profile, environment: str, get: Callable[[str], str]) -> Callable[[str], str]:
    """Gives only credentials that this environment, or the way to a host, names: a release may be taken from another
    environment (`@staging`), whose hosts are looked at.

    A run may have come from a host (adopted, or forged by somebody who broke into it): its plan must not be able to
    ask for the credentials of another environment and send them somewhere.
    """
    from console.credentials.errors import CredentialMissing
    from console.text.secret import name_and_label
    from profiles.uses import used_by

    own = set(used_by(profile, environment)) if environment in profile.environments else set()
    own |= {host.passphrase.secret for host in profile.hosts.values() if host.passphrase is not None}
    if profile.audit is not None and profile.audit.webhook is not None:
        own.add(profile.audit.webhook.secret)

    def limited(word: str) -> str:
        name = name_and_label(word)[0]
        if name not in own:
            raise CredentialMissing(f"The profile does not name the credential {name} for {environment}.")
        return get(word)

    return limited


def rotated(profile: Profile, environment: str) -> frozenset[str]:
    """Credentials whose labelled values a run of this environment may write."""
    config = profile.environments.get(environment)
    return frozenset(one.credential.secret for one in config.rotations.values()) if config is not None else frozenset()


def everything(besides: Callable[[], None] = lambda: None) -> threading.Thread:
    """Import what is otherwise imported where it is used, and do what is given; joined before the first change.

    An upgrade of the files under a run must not mix two versions. In a thread, beside the locks and the second look.
    """
    from console.store.database import StoreUnusable

    def load() -> None:
        with suppress(StoreUnusable):  # said by the first step, which needs the reserve as well
            besides()
        for name in LATE:
            with suppress(ImportError):  # its user says so, in a sentence, where it is needed
                importlib.import_module(name)

    thread = threading.Thread(target=load, name="imports", daemon=True)
    thread.start()
    return thread


def _failed(sentence: str, code: int = 6) -> int:
    print(sentence, file=sys.stderr)  # noqa: T201 - the runner's own log
    return code


if __name__ == "__main__":
    sys.exit(main())

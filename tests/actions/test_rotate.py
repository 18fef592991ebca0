"""Plans of rotations, as tables: the order of things for every kind, what is refused, what a person is told."""

from __future__ import annotations

import json
from typing import Any

import pytest

from actions.rotate import RotateFacts, RotateParams
from actions.rotate.facts import ROTATION
from actions.rotate.jwt import judged, token
from actions.rotate.ops import OPS
from actions.rotate.plan import plan
from actions.rotate.postgres import judged as judged_login
from actions.rotate.scram import NotPlain, verifier
from actions.rotate.values import CannotBeMade, Form, make
from console.runs.api import InputText, Op, Park, Plan, Refusal, TemplateSecret, plan_digest
from console.runs.handlers import HANDLERS
from console.stacks.envfiles import FileTemplate, Line
from tests.actions.rendered import matches
from tests.actions.sites import ground, release, site, spec

R1 = release(1, "a", "1.0.0")
FINGERPRINTS: Any = {"current": "0123456789ab"}


def facts(rotation: dict[str, Any], **more: Any) -> RotateFacts:
    """Facts of a rotation on one or two hosts."""
    body = ROTATION.validate_python({"name": "it", "credential": {"secret": "it"}, **rotation})
    given = {
        "environment": "staging",
        "directory": "/opt/app",
        "hosts": ("one", "two"),
        "known": ("it",),
        "name": "it",
        "rotation": ROTATION.dump_python(body, mode="json"),
        "fingerprints": FINGERPRINTS,
        **more,
    }
    return RotateFacts.model_validate(given)


COMMAND = {
    "kind": "command",
    "works": ["look"],
    "accept": ["add"],
    "refuse": ["take"],
    "overlap": 600,
    "consumers": {"app": {"name": "app", "give": ["give"], "works": ["try"]}},
}
DATABASE = {
    "kind": "database",
    "admin": "postgres",
    "roles": ["app_a", "app_b"],
    "within": ["docker", "exec", "-i", "db"],
    "consumers": {"app": {"name": "app", "hosts": ["two"], "give": ["give"]}},
    "overlap": 60,
}
ROLES = {"host": "one", "using": "app_a", "login": {"app_a": True, "app_b": False}, "sessions": {"app_a": 7}}
JWT = {
    "kind": "jwt",
    "overlap": 3600,
    "probe": {"port": 8000, "path": "/me"},
    "consumers": {"app": {"name": "app", "files": ["env"]}},
}


BESIDE = {
    "app": {"name": "app", "files": ["env"], "works": ["try"], "file": "/home/ci/jwt"},
    "signer": {"name": "signer", "hosts": ["two"], "give": ["put"], "works": ["try"]},
    "ci": {
        "name": "ci",
        "github": {"repository": "team/app", "name": "JWT", "token": {"secret": "github"}},
        "works": {"argv": ["try"], "host": "one"},
    },
}


def template(*, previous: bool = True) -> FileTemplate:
    lines = [Line(key="JWT", parts=(TemplateSecret(name="it"),)), Line(key="PLAIN", parts=(InputText(text="x"),))]
    if previous:
        lines.append(Line(key="JWT_PREVIOUS", parts=(TemplateSecret(name="it", label="previous", missing="empty"),)))
    return FileTemplate(name="env", path="/opt/app/app.env", services=("backend",), lines=tuple(lines))


def two_nodes(*, previous: bool = True, recorded: bool = True) -> Any:
    the_spec = spec().model_copy(update={"env_files": (template(previous=previous),)})
    releases, label = ((R1,), "r1") if recorded else ((), "")
    grounds = [ground("a", host=host, releases=releases, label=label) for host in ("one", "two")]
    return site(*grounds, the_spec=the_spec)


CASES: list[tuple[str, dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    ("rotate-command", COMMAND, {}, {}),
    ("rotate-command-replaces", {**COMMAND, "refuse": None, "overlap": None}, {}, {}),
    ("rotate-command-emergency", COMMAND, {"emergency": True, "ask": False}, {}),
    ("rotate-database-two-roles", DATABASE, {}, {"read": ROLES, "fields": ("user", "password")}),
    ("rotate-database-one-role", {**DATABASE, "roles": ["app_a"]}, {}, {"read": ROLES}),
    ("rotate-jwt", JWT, {}, {"site": two_nodes(), "holding": ("env",)}),
    ("rotate-jwt-one-place", JWT, {}, {"site": two_nodes(previous=False), "holding": ("env",)}),
    ("rotate-jwt-emergency", JWT, {"emergency": True}, {"site": two_nodes(), "holding": ("env",)}),
    ("rotate-jwt-beside", {**JWT, "consumers": BESIDE}, {}, {"site": two_nodes(), "holding": ("env",)}),
    ("rotate-ssh-key", {"kind": "ssh-key", "consumers": {"ci": {"name": "ci", "file": "/home/ci/key"}}}, {}, {}),
    ("rotate-grafana", {"kind": "grafana", "url": "http://grafana:3000"}, {}, {}),
]


@pytest.mark.parametrize(("name", "rotation", "params", "more"), CASES, ids=[case[0] for case in CASES])
def test_the_plan(name: str, rotation: dict[str, Any], params: dict[str, Any], more: dict[str, Any]) -> None:
    made = plan(facts(rotation, **more), RotateParams(credential="it", **params))
    assert isinstance(made, Plan), made
    assert plan(facts(rotation, **more), RotateParams(credential="it", **params)) == made, "pure"
    assert Plan.model_validate_json(made.model_dump_json()).digest == made.digest
    matches(name, made)


@pytest.mark.parametrize(("name", "rotation", "params", "more"), CASES, ids=[case[0] for case in CASES])
def test_the_order_of_every_plan(
    name: str, rotation: dict[str, Any], params: dict[str, Any], more: dict[str, Any]
) -> None:
    """Stored before anything outside is changed; proved before the keyring says so; dead at the end."""
    made = plan(facts(rotation, **more), RotateParams(credential="it", **params))
    assert isinstance(made, Plan)
    ids = [step.id for step in made.steps]
    assert next(step.id for step in made.steps if step.run.writes) == "mint"
    assert ids[-1] == "retired" and ids.index("mint") < ids.index("promote") < ids.index("retired")
    assert all(step.needs == (before.id,) for before, step in zip(made.steps, made.steps[1:], strict=False))
    for step in made.steps:
        for effect in (step.run, step.check, step.undo, step.undo_check):
            assert not isinstance(effect, Op) or effect.name in {**OPS, **HANDLERS}, effect
    parked = [step for step in made.steps if isinstance(step.run, Park)]
    assert len(parked) == (1 if rotation.get("overlap") and not params.get("emergency") and "one" not in name else 0)
    asking = [step.id for step in made.steps if step.asks]
    assert len(asking) <= 1 and all(ids.index(one) > ids.index("promote") for one in asking)
    if params.get("ask", True) and any(word in name for word in ("command", "two-roles", "ssh")):
        assert bool(asking) == ("replaces" not in name)
    assert "0123456789ab" in made.model_dump_json()


REFUSED: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any], str]] = [
    (COMMAND, {}, {"name": ""}, "does not say how it is rotated on staging"),
    (COMMAND, {}, {"fingerprints": {}}, "There is no credential it in the keyring"),
    (COMMAND, {}, {"fingerprints": {**FINGERPRINTS, "previous": "ba9876543210"}}, "has not come to its end"),
    (COMMAND, {}, {"elsewhere": ("production",)}, "it is used by production as well"),
    (COMMAND, {}, {"hosts": ("two",), "left_out": ("one",)}, "on one, which takes no part"),
    ({**COMMAND, "guided": True}, {}, {}, "A person makes the new value of it"),
    (COMMAND, {}, {"holding": ("env",)}, "The environment file env holds it"),
    (DATABASE, {}, {"read": ROLES}, "must say which one is in use"),
    (DATABASE, {}, {"read": {**ROLES, "using": "else"}, "fields": ("user", "password")}, "of the role else"),
    (DATABASE, {}, {"read": {**ROLES, "login": {"app_a": True}}}, "has no role app_b"),
    ({**DATABASE, "admin": "app_a"}, {}, {"read": ROLES}, "would change its own password"),
    (JWT, {}, {"site": two_nodes(recorded=False), "holding": ("env",)}, "is no release that is recorded there"),
    ({**JWT, "consumers": {}}, {}, {"site": two_nodes()}, "has it in an environment file"),
    (
        {**JWT, "consumers": {"app": {"name": "app", "files": ["env"], "give": ["put"]}}},
        {},
        {"site": two_nodes(), "holding": ("env",)},
        "by an environment file and by a command",
    ),
    ({"kind": "ssh-key"}, {}, {"read": {"identities": ["/root/key"]}}, "could not log in any more"),
    ({"kind": "webhook", "made_at": "there"}, {}, {}, "A person makes the new value"),
    ({"kind": "github"}, {}, {}, "is a secret of GitHub Actions"),
]


@pytest.mark.parametrize(("rotation", "params", "more", "reason"), REFUSED, ids=[case[3][:40] for case in REFUSED])
def test_refused(rotation: dict[str, Any], params: dict[str, Any], more: dict[str, Any], reason: str) -> None:
    made = plan(facts(rotation, **more), RotateParams(credential="it", **params))
    assert isinstance(made, Refusal) and reason in made.reason, made


def test_what_a_person_is_told() -> None:
    def said(rotation: dict[str, Any], params: dict[str, Any], **more: Any) -> str:
        made = plan(facts(rotation, **more), RotateParams(credential="it", **params))
        assert isinstance(made, Plan)
        return " ".join(str(block.model_dump(mode="json")) for block in made.blocks)

    assert "7 sessions are open now" in said({**DATABASE, "roles": ["app_a"]}, {}, read=ROLES)
    both = said(JWT, {}, site=two_nodes(), holding=("env",))
    assert "1 h. The environment is free" in both and "environment file env" in both
    assert "log in again" in said(JWT, {}, site=two_nodes(previous=False), holding=("env",))
    assert "Every session ends" in said(JWT, {"emergency": True}, site=two_nodes(), holding=("env",))
    kept = said(COMMAND, {}, fingerprints={**FINGERPRINTS, "pending": "feedfeedfeed"})
    assert "feedfeedfeed, kept from before" in kept
    discarded = said(COMMAND, {"discard": True}, fingerprints={**FINGERPRINTS, "pending": "feedfeedfeed"})
    assert "discarded: feedfeedfeed" in discarded


def planned(rotation: dict[str, Any], **more: Any) -> Plan:
    made = plan(facts(rotation, **more), RotateParams(credential="it"))
    assert isinstance(made, Plan), made
    return made


def args(made: Plan, id_: str, which: str = "run") -> Any:
    effect = getattr(next(step for step in made.steps if step.id == id_), which)
    return effect.args if effect is not None else None


def test_services_are_made_anew_only_where_the_file_is_and_they_run() -> None:
    only = template().model_copy(update={"hosts": ("one",), "services": ("backend", "web")})
    the_spec = spec().model_copy(update={"env_files": (only,)})
    grounds = [ground("a", host=host, releases=(R1,), label="r1") for host in ("one", "two")]
    stopped = tuple(
        one.model_copy(update={"state": "exited"} if one.service == "web" else {}) for one in grounds[0].live.services
    )
    live = grounds[0].live.model_copy(update={"services": stopped})
    grounds[0] = grounds[0].model_copy(update={"live": live})
    made = planned(JWT, site=site(*grounds, the_spec=the_spec), holding=("env",))
    changing = [step.id for step in made.steps if step.id.startswith(("verify.", "sign.", "without."))]
    assert changing == ["verify.app.one", "sign.app.one", "without.app.one"]
    assert list(args(made, "sign.app.one")["anew"]["services"]) == ["backend"]
    said = next(step.shown for step in made.steps if step.id == "sign.app.one")
    assert "web does not run there: it uses the new value when it starts" in said


def test_a_look_has_the_time_that_its_services_and_commands_need() -> None:
    consumers = {"app": {"name": "app", "give": ["put"], "works": {"argv": ["try"], "deadline": 300}}}
    made = planned({**COMMAND, "consumers": consumers}, site=two_nodes())
    check = next(step.check for step in made.steps if step.id == "give.app.one")
    assert check is not None and check.deadline_s >= 330
    both = planned(JWT, site=two_nodes(), holding=("env",))
    (start_s,) = (one.start_s for one in spec().services if one.name == "backend")
    check = next(step.check for step in both.steps if step.id == "sign.app.one")
    assert check is not None and check.deadline_s > start_s + 2 * 45


def test_whether_a_command_did_its_work_is_asked_only_where_something_can_tell() -> None:
    """Without `works` nothing shows it: not that the file beside it is written."""
    holding = {"site": two_nodes(), "holding": ("env",)}
    for works, there in ((None, False), (["try"], True)):
        consumers = {"app": {"name": "app", "files": ["env"], "give": ["put"], "works": works}}
        made = planned({**COMMAND, "consumers": consumers}, **holding)
        assert (args(made, "give.app.one", "check") is not None) == there
        assert (args(made, "give.app.one", "undo_check") is not None) == there
    made = planned({**COMMAND, "consumers": {"app": {"name": "app", "files": ["env"]}}}, **holding)
    assert args(made, "give.app.one", "check") is not None


def test_the_undo_is_judged_by_what_would_be_left_over() -> None:
    def judged(made: Plan, id_: str = "accept") -> tuple[str, str]:
        found = args(made, id_, "undo_check")
        return found["label"], found["wanted"]

    assert judged(planned(COMMAND)) == ("pending", "refused")
    assert judged(planned({**COMMAND, "refuse": None})) == ("current", "accepted")
    two = planned(DATABASE, read=ROLES, fields=("user", "password"))
    assert judged(two) == ("pending", "refused") and judged(two, "no-login") == ("previous", "accepted")
    assert judged(planned({**DATABASE, "roles": ["app_a"]}, read=ROLES)) == ("current", "accepted")


def test_verified_is_only_what_was_seen_to_work() -> None:
    github = {"repository": "team/app", "name": "IT", "token": {"secret": "github"}}
    alone: Any = {"kind": "github", "consumers": {"ci": {"name": "ci", "github": github}}}
    assert args(planned(COMMAND), "retired")["proved"] is True
    assert args(planned(alone), "retired")["proved"] is False
    alone["consumers"]["ci"]["github"]["workflow"] = "prove.yml"
    assert args(planned(alone), "retired")["proved"] is True


@pytest.mark.parametrize("params", [{}, {"discard": True}])
def test_a_pending_value_that_was_there_before_stays_when_it_is_undone(params: dict[str, Any]) -> None:
    there = {**FINGERPRINTS, "pending": "feedfeedfeed"}
    made = plan(facts(COMMAND, fingerprints=there), RotateParams(credential="it", **params))
    assert isinstance(made, Plan)
    assert args(made, "mint", "undo")["keep"] == (not params)
    assert args(planned(COMMAND), "mint", "undo")["keep"] is False


def test_a_host_that_does_not_let_the_key_in_anyway_may_be_left_out() -> None:
    consumers = {"ci": {"name": "ci", "file": "/home/ci/key"}}
    without = {"hosts": ("one",), "left_out": ("two",)}
    assert planned({"kind": "ssh-key", "hosts": ["one"], "consumers": consumers}, **without)
    refused = plan(facts({"kind": "ssh-key", "consumers": consumers}, **without), RotateParams(credential="it"))
    assert isinstance(refused, Refusal) and "two takes no part" in refused.reason


def test_a_plan_of_before_steps_could_ask_keeps_its_digest() -> None:
    made = plan(facts(COMMAND), RotateParams(credential="it", ask=False))
    assert isinstance(made, Plan)
    body = made.model_dump(mode="json")
    for step in body["steps"]:
        assert step.pop("asks") == ""
    assert plan_digest(body) == made.digest
    asking = plan(facts(COMMAND), RotateParams(credential="it"))
    assert isinstance(asking, Plan) and asking.digest != made.digest


def test_new_values() -> None:
    one, other = (make(Form(form="text"), str) for _ in range(2))
    assert one != other and len(one) == 43 and one[0].isalnum()
    assert set(make(Form(form="text", alphabet="hex", length=20), str)) <= set("0123456789abcdef")
    role = Form(form="role", length=40, alphabet="alphanumeric", roles=("a", "b"), fields=("user", "password"))
    first = json.loads(make(role, lambda: json.dumps({"user": "a", "password": "p", "more": 1})))
    assert first["user"] == "b" and len(first["password"]) == 40 and first["more"] == 1
    with pytest.raises(CannotBeMade, match="which the rotation does not name"):
        make(role, lambda: json.dumps({"user": "c", "password": "p"}))
    pair = json.loads(make(Form(form="jwt", fields=("kid", "key")), str))
    assert set(pair) == {"kid", "key"} and len(pair["kid"]) == 12
    assert make(Form(form="ssh", comment="c"), str).startswith("-----BEGIN OPENSSH PRIVATE KEY-----")


def test_the_verifier_is_the_one_of_the_standard() -> None:
    """RFC 7677: user `user`, password `pencil`; StoredKey and ServerKey of that exchange."""
    import base64
    import hashlib
    import hmac

    word = verifier("pencil", salt=base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ=="))
    head, salt, keys = word.split("$")
    assert (head, salt) == ("SCRAM-SHA-256", "4096:W22ZaJ0SNY7soEsUEjb6gQ==")
    stored, server = (base64.b64decode(part) for part in keys.split(":"))
    message = (
        b"n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
        b"s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    )
    proof = base64.b64decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
    client = bytes(a ^ b for a, b in zip(proof, hmac.digest(stored, message, "sha256"), strict=True))
    assert hashlib.sha256(client).digest() == stored
    assert base64.b64encode(hmac.digest(server, message, "sha256")) == b"6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
    with pytest.raises(NotPlain):
        verifier("pässword")


@pytest.mark.parametrize(
    ("rc", "said", "verdict"),
    [
        (0, "", "accepted"),
        (2, 'FATAL:  password authentication failed for user "a"', "refused"),
        (2, 'FATAL:  role "a" is not permitted to log in', "refused"),
        (2, "could not connect to server: Connection refused", "unknown"),
        (2, "FATAL:  sorry, too many clients already", "unknown"),
        (3, "ERROR:  permission denied for table things", "limited"),
        (127, "psql: not found", "unknown"),
        (None, "", "unknown"),
    ],
)
def test_only_words_that_say_so_are_a_refusal(rc: int | None, said: str, verdict: str) -> None:
    assert judged_login(rc, said).verdict == verdict


def test_tokens_and_what_their_answers_mean() -> None:
    how = {"host": "one", "accepted": 200, "refused": 401}
    assert [judged(status, how).verdict for status in (200, 401, 503, 404)] == [
        "accepted", "refused", "unknown", "unknown",
    ]  # fmt: skip
    # RFC 7515, appendix A.1, has other blanks in its JSON; ours is checked against a plain HMAC.
    made = token(json.dumps({"kid": "k1", "key": "secret"}), "HS256", {"sub": "s"}, 1_000_000.0)
    head, body, mac = made.split(".")
    import base64
    import hmac

    def read(word: str) -> Any:
        return json.loads(base64.urlsafe_b64decode(word + "=" * (-len(word) % 4)))

    assert read(head) == {"alg": "HS256", "typ": "JWT", "kid": "k1"}
    assert read(body) == {"sub": "s", "iat": 999_970, "exp": 1_000_060}
    good = base64.urlsafe_b64encode(hmac.digest(b"secret", f"{head}.{body}".encode(), "sha256")).rstrip(b"=").decode()
    assert mac == good

"""Secrets of GitHub Actions, by the documented API: sealed for the scope's public key, written, proved by a workflow.

GitHub never gives a value back: that it was written shows in `updated_at` alone, and that it works in a run that uses
it. Tried against a stand-in only.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from actions.rotate.facts import RotateFacts
from actions.rotate.params import RotateParams
from actions.rotate.parts import Parts
from actions.rotate.reaching import EACH_S, opened
from actions.rotate.roles import BEFORE
from actions.rotate.values import Form
from console.runs.api import Op, OpContext, OpHandler, Outcome, Refusal, Step
from console.text.secret import Label, labelled
from profiles.models import Consumer, GithubRotation, GithubSecret

if TYPE_CHECKING:
    import httpx

WORKFLOW_S = 900.0


def parts(facts: RotateFacts, rotation: GithubRotation, params: RotateParams) -> Parts | Refusal:
    """`kind: github`: nothing here can try the value, so its consumers are all there is to it. Pure."""
    if not any(consumer.github is not None for consumer in rotation.consumers.values()):
        return Refusal(
            reason=f"No consumer of {facts.name} is a secret of GitHub Actions.",
            ways_out=("name it under `consumers: NAME: github`",),
        )
    made = Parts(form=Form(form="given") if rotation.guided else Form(form="text", length=rotation.length))
    made.overlap = False
    made.warnings.append(
        "GitHub gives no value back, so nothing here can see whether the old one is refused anywhere: what checks this "
        "value must be given the new one too, as a consumer."
    )
    return made


def steps(consumer: Consumer, name: str) -> list[Step]:
    """A consumer's secret is written; a workflow that uses it is run, where the profile names one. Pure."""
    secret = consumer.github
    assert secret is not None  # asked for only then
    where = f"{secret.repository} {secret.name}"

    def put(label: Label) -> Op:
        args = {"github": _args(secret), "name": name, "label": label}
        return Op(name="github.put@1", args=args, writes=True, deadline_s=4 * EACH_S)

    found = [
        Step(
            id=f"github.{consumer.name}",
            title=f"GitHub: {where} gets the new value",
            run=put(BEFORE.new),
            undo=put(BEFORE.old),
            attempts=2,
            shown="GitHub does not give it back; written again, it is the same",
        )
    ]
    if secret.workflow is not None:
        found.append(
            Step(
                id=f"workflow.{consumer.name}",
                title=f"GitHub: {secret.workflow} of {secret.repository} succeeds with it",
                run=Op(
                    name="github.prove@1",
                    args={"github": _args(secret), "workflow": secret.workflow, "ref": secret.ref},
                    writes=True,
                    deadline_s=WORKFLOW_S,
                ),
                no_undo=f"a run of {secret.workflow} stays in the list of {secret.repository}",
                cancel="now",
            )
        )
    return found


def _args(secret: GithubSecret) -> dict[str, Any]:
    return {
        "api": secret.api.rstrip("/"),
        "via": secret.via,
        "repository": secret.repository,
        "environment": secret.environment,
        "secret": secret.name,
        "token": secret.token.model_dump(mode="json"),
    }


def sealed(public_key: str, value: str) -> str:
    """The value as GitHub wants it: libsodium's sealed box for the scope's key, in base64."""
    from nacl.public import PublicKey, SealedBox

    box = SealedBox(PublicKey(base64.b64decode(public_key)))
    return base64.b64encode(box.encrypt(value.encode())).decode()


def put(ctx: OpContext, args: Mapping[str, Any]) -> Outcome:
    """`github.put@1`: {github, name, label}. The key may change between its fetch and the write: then once more."""
    import httpx

    how = args["github"]
    value = ctx.secret(labelled(args["name"], args["label"]))
    value = f"{value}\n" if "\n" in value else value  # a key of several lines ends with a line feed
    said = ""
    try:
        with opened(ctx, how) as asking:
            for _ in range(2):
                key = _asked(asking, ctx, how, "GET", f"{_scope(how)}/secrets/public-key")
                if key.status_code != 200:
                    return _no(key, "the public key")
                found = key.json()
                body = {"encrypted_value": sealed(found["key"], value), "key_id": found["key_id"]}
                answer = _asked(asking, ctx, how, "PUT", f"{_scope(how)}/secrets/{how['secret']}", body)
                if answer.status_code in (201, 204):
                    look = _asked(asking, ctx, how, "GET", f"{_scope(how)}/secrets/{how['secret']}")
                    at = look.json().get("updated_at", "") if look.status_code == 200 else ""
                    return Outcome(verdict="yes", evidence=f"written; GitHub says updated at {at or 'an unknown time'}")
                said = f"{answer.status_code}: {answer.text[:200]}"
                if answer.status_code not in (409, 422):
                    break
    except (httpx.HTTPError, OSError, KeyError, ValueError) as error:
        return Outcome(
            verdict="unknown", evidence=f"GitHub did not answer as documented: {type(error).__name__}: {error}"
        )
    return Outcome(verdict="no", evidence=f"GitHub answered {said}")


def prove(ctx: OpContext, args: Mapping[str, Any]) -> Outcome:
    """`github.prove@1`: {github, workflow, ref}. Start the workflow and wait for how it ends."""
    import httpx

    how, workflow = args["github"], quote(args["workflow"])
    branch = args["ref"].removeprefix("refs/heads/").removeprefix("refs/tags/")
    path = f"/repos/{how['repository']}/actions/workflows/{workflow}"
    try:
        with opened(ctx, how) as asking:
            before = _runs(_asked(asking, ctx, how, "GET", f"{path}/runs?event=workflow_dispatch&per_page=20"))
            started = _asked(asking, ctx, how, "POST", f"{path}/dispatches", {"ref": args["ref"]})
            if started.status_code not in (200, 204):
                return _no(started, f"the start of {args['workflow']}")
            while ctx.deadline_s > 1 and not ctx.cancelled.is_set():
                ctx.sleep(10 * ctx.environment.timing.poll_s)
                runs = _runs(_asked(asking, ctx, how, "GET", f"{path}/runs?event=workflow_dispatch&per_page=20"))
                ours = [run for id_, run in runs.items() if id_ not in before and run.get("head_branch") == branch]
                if len(ours) > 1:
                    return Outcome(
                        verdict="unknown",
                        evidence=f"{len(ours)} runs of {args['workflow']} were started on {branch} meanwhile: GitHub "
                        "does not say which one is ours",
                    )
                if ours and ours[0].get("status") == "completed":
                    how_ended = str(ours[0].get("conclusion"))
                    verdict: Any = "yes" if how_ended == "success" else "no"
                    return Outcome(verdict=verdict, evidence=f"{args['workflow']} ended: {how_ended}")
                ctx.say(f"waiting for {args['workflow']}: {ours[0].get('status') if ours else 'not listed yet'}")
    except (httpx.HTTPError, OSError, ValueError) as error:
        return Outcome(
            verdict="unknown", evidence=f"GitHub did not answer as documented: {type(error).__name__}: {error}"
        )
    return Outcome(verdict="unknown", evidence=f"{args['workflow']} has not ended in time")


def _runs(answer: httpx.Response) -> dict[int, dict[str, Any]]:
    if answer.status_code != 200:
        raise ValueError(f"the runs of the workflow: {answer.status_code}")
    return {int(run["id"]): run for run in answer.json().get("workflow_runs", [])}


def _scope(how: Mapping[str, Any]) -> str:
    base = f"/repos/{how['repository']}"
    return f"{base}/environments/{quote(how['environment'], safe='')}" if how["environment"] else f"{base}/actions"


def _asked(
    asking: httpx.Client, ctx: OpContext, how: Mapping[str, Any], method: str, path: str, body: Any = None
) -> httpx.Response:
    token = ctx.environment.secret_field(how["token"]["secret"], how["token"].get("field"))
    headers = {
        "Authorization": f"Bearer {token}",
        "Accept": "application/vnd.github+json",
        "X-GitHub-Api-Version": "2022-11-28",
    }
    return asking.request(method, f"{how['api']}{path}", headers=headers, json=body)


def _no(answer: httpx.Response, what: str) -> Outcome:
    return Outcome(verdict="no", evidence=f"GitHub answered {answer.status_code} for {what}: {answer.text[:200]}")


OPS: Mapping[str, OpHandler] = {"github.put@1": put, "github.prove@1": prove}

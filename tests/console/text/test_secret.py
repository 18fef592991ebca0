"""A secret shows itself nowhere; its name may go anywhere."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys
import traceback

import pytest

from console.text.secret import MASK, Secret, SecretLeak, SecretNameError, SecretRef

CANARY = "canary-7Hq9zP-value"


@pytest.mark.parametrize(
    "show",
    [
        str,
        repr,
        lambda s: f"{s}",
        lambda s: f"{s!r:>40}",
        lambda s: f"{s:>40}",
        lambda s: "%s %r" % (s, s),  # noqa: UP031
        lambda s: "{0}".format(s),  # noqa: UP030, UP032
        lambda s: repr([s, {"k": s}, (s,)]),
        lambda s: json.dumps(s, default=repr),
    ],
)
def test_no_way_of_printing_shows_the_value(show):
    assert CANARY not in show(Secret(CANARY))
    assert CANARY in show(CANARY)  # control: the same way shows a plain string
    assert MASK in show(Secret(CANARY))


def test_reveal_is_the_way_out():
    assert Secret(CANARY).reveal() == CANARY


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_secret_is_not_pickled(protocol):
    with pytest.raises(SecretLeak):
        pickle.dumps(Secret(CANARY), protocol)


def test_a_secret_is_not_serialised_as_json():
    with pytest.raises(TypeError) as caught:
        json.dumps({"password": Secret(CANARY)})
    assert CANARY not in "".join(traceback.format_exception(caught.value))


def test_a_secret_cannot_be_changed_and_has_no_dict():
    secret = Secret(CANARY)
    with pytest.raises(AttributeError):
        secret.other = 1
    with pytest.raises(AttributeError):
        del secret._Secret__value
    with pytest.raises(TypeError):
        vars(secret)
    assert copy.copy(secret) is secret
    assert copy.deepcopy(secret) is secret


def test_secrets_are_compared_with_secrets_only():
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("ä\udcff") == Secret("ä\udcff")
    assert Secret("a") != "a"
    with pytest.raises(TypeError):
        hash(Secret("a"))
    assert not Secret("")


def test_a_secret_joins_no_argv():
    with pytest.raises(TypeError):
        "".join([Secret(CANARY)])
    with pytest.raises(TypeError):
        "--password=" + Secret(CANARY)
    with pytest.raises(TypeError):
        subprocess.run(["true", Secret(CANARY)], check=False)


def test_a_reference_is_a_name_and_not_a_string():
    ref = SecretRef("db.password_1")
    assert not isinstance(ref, str)
    assert str(ref) == "db.password_1"
    assert str(SecretRef("registry", "user")) == "registry#user"
    assert SecretRef("a") == SecretRef("a") != SecretRef("a", "f")
    assert len({SecretRef("a"), SecretRef("a"), SecretRef("b")}) == 2
    assert sorted([SecretRef("b"), SecretRef("a", "z"), SecretRef("a")])[0] == SecretRef("a")
    assert pickle.loads(pickle.dumps(SecretRef("a", "f"))) == SecretRef("a", "f")
    with pytest.raises(AttributeError):
        ref.name = "other"


@pytest.mark.parametrize("bad", ["", "A", "-a", ".a", "a b", "a/b", "a" * 65, "a\n", "ä", CANARY, None, 3])
def test_a_bad_name_is_refused_and_not_repeated(bad):
    with pytest.raises(SecretNameError) as caught:
        SecretRef(bad)
    assert CANARY not in str(caught.value)


def test_the_plain_form_goes_and_comes_back():
    for ref in (SecretRef("a"), SecretRef("a", "user")):
        assert SecretRef.from_json(json.loads(json.dumps(ref.to_json()))) == ref
    for bad in ("a", None, {}, {"secret": "A"}, {"secret": "a", "value": "x"}, ["a"], {"secret": {"secret": "a"}}):
        with pytest.raises(SecretNameError):
            SecretRef.from_json(bad)


def test_pydantic_takes_a_reference_as_a_field():
    from pydantic import BaseModel, ValidationError

    class Registry(BaseModel):
        password: SecretRef

    made = Registry.model_validate({"password": {"secret": "registry"}})
    assert made.password == SecretRef("registry")
    assert made.model_dump() == {"password": {"secret": "registry"}}
    assert Registry.model_validate_json(made.model_dump_json()) == made
    assert Registry.model_json_schema()["properties"]["password"]["required"] == ["secret"]
    for bad in ("registry", {"secret": CANARY}, {"secret": "a", "x": 1}):
        with pytest.raises(ValidationError):
            Registry.model_validate({"password": bad})


def test_importing_secrets_imports_nothing_heavy():
    script = (
        "import sys, console.text.secret; "
        "print(sorted({'pydantic', 'pydantic_core', 'cryptography', 'keyring', 'textual', 'rich'} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert out.stdout.strip() == "[]"

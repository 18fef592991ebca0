"""Rotations in a profile: what is refused, with its line, and what would be right."""

from __future__ import annotations

from pathlib import Path

import pytest

from profiles.loader import load_profile
from tests.profiles.sample import SAMPLE, mistakes, written

GOOD = """\
    rotations:
      db:
        kind: database
        credential: {secret: smoke-user}
        admin: postgres
        roles: [shop_a, shop_b]
        host: web1
        consumers:
          shop: {give: [put-it], reload: [web], works: {argv: [try-it, "{directory}"], deadline: 5s}}
      pull:
        kind: command
        credential: {secret: registry}
        overlap: 10m
        works: [look]
        accept: [add]
        refuse: [take]
"""
AT = "shop.yaml:{}: environments.production.rotations."


def test_a_sound_one(tmp_path: Path) -> None:
    profile = load_profile(written(tmp_path, SAMPLE + GOOD))
    rotations = profile.environments["production"].rotations
    assert rotations["pull"].kind == "command" and rotations["pull"].overlap == 600.0
    assert rotations["db"].consumers["shop"].name == "shop"
    assert rotations["db"].consumers["shop"].give is not None
    assert rotations["db"].consumers["shop"].give.argv == ("put-it",)
    assert type(profile).model_validate(profile.dumped()) == profile


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("host: web1\n", "host: web2\n", "There is no host `web2`. Did you mean `web1`?"),
        ("{give: [put-it]", "{give: {argv: [put-it], host: web1}", "runs on each of the consumer's own hosts"),
        ("reload: [web]", "reload: [wob]", "There is no service `wob`. Did you mean `web`?"),
        ("{give: [put-it]", "{files: [env]", "There is no environment file `env`."),
        ("credential: {secret: registry}", "credential: {secret: smoke-user}", "is already rotated by `db`"),
        ("credential: {secret: registry}", "credential: {secret: registri}", "Did you mean `registry`?"),
        ('"{directory}"', '"{directori}"', "The variable {directori} is not known here."),
        ("kind: command", "kind: comand", "comand"),
        ("        works: [look]\n", "", "`works` is missing here"),
        ("roles: [shop_a, shop_b]", "roles: [a, b, c]", "roles"),
        ("roles: [shop_a, shop_b]", "roles: ['a\"; DROP']", "roles"),
        ("{give: [put-it], reload", "{reload", "needs a way to get the value"),
        ("        refuse: [take]\n", "        refuse: [take]\n        password: hunter2hunter2\n", "holds no secret"),
    ],
)
def test_a_mistake(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert GOOD.count(old) == 1
    found = mistakes(tmp_path, SAMPLE + GOOD.replace(old, new))
    assert found and any(said in one for one in found), found
    assert all(one.startswith("shop.yaml:") and "rotations" in one for one in found), found


def test_the_file_of_keys_of_another_account_has_to_be_named(tmp_path: Path) -> None:
    text = GOOD[: GOOD.index("      pull:")] + (
        "      pull:\n        kind: ssh-key\n        credential: {secret: registry}\n        user: deploy\n"
    )
    (found,) = mistakes(tmp_path, SAMPLE + text)
    assert "`user` needs `authorized_keys`: the file of keys of that account" in found
    assert load_profile(written(tmp_path, SAMPLE + text + "        authorized_keys: /home/deploy/keys\n"))

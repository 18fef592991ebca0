"""Every kind of mistake, with what is said about it word for word."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.profiles.sample import SAMPLE, changed, mistakes

SECRET = (
    " A profile holds no secret. Store it with `quarterdeck credentials set NAME`, declare NAME under `credentials:`, "
    "and write {secret: NAME} here. If this file was ever shared, renew the secret."
)

CASES: list[tuple[str, str, str, list[str]]] = [
    (
        "unknown key",
        "    project: shop",
        "    projct: shop",
        [
            "shop.yaml:13:5: environments.production.stack.projct: `projct` is not known here. Did you mean `project`?",
        ],
    ),
    (
        "unknown key of a host",
        "user: ops}",
        "user: ops, prot: 22}",
        [
            "shop.yaml:4:54: hosts.bastion.prot: `prot` is not known here. Did you mean `port`?",
        ],
    ),
    (
        "a word of another tool",
        "    files: [compose.yml]",
        "    compose_files: [compose.yml]",
        [
            "shop.yaml:14:5: environments.production.stack.compose_files: `compose_files` is not known "
            "here. Did you mean `files`?",
        ],
    ),
    (
        "key at the wrong level",
        "  directory: /opt/shop\n",
        "  directory: /opt/shop\n  images: {}\n",
        [
            "shop.yaml:11:3: environments.production.images: `images` is not known here. `images` "
            "belongs under `stack`. Known here: title, production, colour, hosts, directory, state, "
            "stack, urls, files, feeds, panels, probes, smoke, checklists, commands, rotations, policy, inherit.",
        ],
    ),
    (
        "missing key",
        "  directory: /opt/shop\n",
        "",
        [
            "shop.yaml:37:3: environments.production: `directory` is missing here. Add it: Deploy "
            "directory on the hosts, such as /opt/routing-ml.",
        ],
    ),
    (
        "yes is a text",
        "production: true",
        "production: yes",
        [
            "shop.yaml:39:17: environments.production.production: `production` is true or false, and "
            "here stands the text `yes`. In YAML 1.2 `yes` is a text. Write true or false.",
        ],
    ),
    (
        "number for a text",
        "title: Shop",
        "title: 12",
        [
            "shop.yaml:2:8: title: `title` is a text, and here stands the number 12. Put quotes around it.",
        ],
    ),
    (
        "text for a list",
        "hosts: [web1]",
        "hosts: web1",
        [
            "shop.yaml:40:12: environments.production.hosts: `hosts` is a list, and here stands the "
            "text `web1`. Write [a, b], or one line with '- ' for each.",
        ],
    ),
    (
        "list for a mapping",
        'urls: {base: "https://shop.example.com"}',
        "urls: [base]",
        [
            "shop.yaml:27:31: environments.production.probes.health.url: The variable {base} is not "
            "known here. Known here: none.",
            "shop.yaml:31:12: environments.production.smoke.0.url: The variable {base} is not known "
            "here. Known here: {release}.",
            "shop.yaml:34:23: environments.production.smoke.1.url: The variable {base} is not known "
            "here. Known here: {release} {ticket}.",
            "shop.yaml:41:11: environments.production.urls: `urls` is a mapping of keys, and here "
            "stands a list. Write its keys below it, indented.",
        ],
    ),
    (
        "no value",
        "project: shop\n    files",
        "project:\n    files",
        [
            "shop.yaml:13:13: environments.production.stack.project: `project` has no value. Give it "
            "one, or leave the key out.",
        ],
    ),
    (
        "duration",
        "deadline: 90s",
        "deadline: soon",
        [
            "shop.yaml:17:57: environments.production.stack.services.web.deadline: `deadline` is not a "
            "duration: write seconds, or a text such as 30s, 5m, 2h or 1d.",
        ],
    ),
    (
        "negative duration",
        "deadline: 90s",
        "deadline: -5",
        [
            "shop.yaml:17:57: environments.production.stack.services.web.deadline: `deadline` is -5, "
            "and must be more than 0.",
        ],
    ),
    (
        "infinite",
        "deadline: 90s",
        "deadline: .inf",
        [
            "shop.yaml:17:57: environments.production.stack.services.web.deadline: `deadline` is not a "
            "duration: write seconds, or a text such as 30s, 5m, 2h or 1d.",
        ],
    ),
    (
        "unknown kind",
        "kind: compose",
        "kind: kompose",
        [
            "shop.yaml:12:5: environments.production.stack: `stack`: kind is `kompose`, and must be one "
            "of compose, process. Did you mean `compose`?",
        ],
    ),
    (
        "no kind",
        "    kind: compose\n",
        "",
        [
            "shop.yaml:11:3: environments.production.stack: `stack` does not say its `kind`. Known: compose, process.",
        ],
    ),
    (
        "one of",
        "health: container",
        "health: contaner",
        [
            "shop.yaml:17:21: environments.production.stack.services.web.health: `health` is "
            "`contaner`, and must be one of container, http, none. Did you mean `container`?",
        ],
    ),
    (
        "range",
        "user: ops}",
        "user: ops, port: 70000}",
        [
            "shop.yaml:4:60: hosts.bastion.port: `port` is 70000, and must be at most 65535.",
        ],
    ),
    (
        "no whole number",
        "user: ops}",
        "user: ops, port: ssh}",
        [
            "shop.yaml:4:60: hosts.bastion.port: `port` is a whole number, and here stands the text `ssh`.",
        ],
    ),
    (
        "form of a name",
        "system: shop",
        "system: The Shop",
        [
            "shop.yaml:1:9: system: `system` (The Shop) does not have the right form. It is made of "
            "a-z, 0-9, '.', '_' and '-', and begins with a letter or digit.",
        ],
    ),
    (
        "option as an address",
        "address: bastion.example.com",
        "address: -oProxyCommand=x",
        [
            "shop.yaml:4:22: hosts.bastion.address: `address` (-oProxyCommand=x) does not have the "
            "right form. Write a host name, an address or an SSH alias.",
        ],
    ),
    (
        "relative directory",
        "directory: /opt/shop",
        "directory: opt/shop",
        [
            "shop.yaml:10:14: environments.production.directory: `directory` is a path on the host: it begins with /.",
        ],
    ),
    (
        "directory upwards",
        "directory: /opt/shop",
        "directory: /opt/../etc",
        [
            "shop.yaml:10:14: environments.production.directory: `directory` is a path on the host and "
            "may not contain '..'.",
        ],
    ),
    (
        "environment like a command",
        "  production:\n",
        "  runs:\n",
        [
            "shop.yaml:38:3: environments.runs: An environment cannot be called `runs`: that is a "
            "command of quarterdeck. Call it `runs-env`, or what it is.",
        ],
    ),
    (
        "unknown host",
        "hosts: [web1]",
        "hosts: [wep1]",
        [
            "shop.yaml:40:13: environments.production.hosts.0: There is no host `wep1`. Did you mean `web1`?",
        ],
    ),
    (
        "host twice",
        "hosts: [web1]",
        "hosts: [web1, web1]",
        [
            "shop.yaml:40:19: environments.production.hosts.1: The host `web1` is named twice. Keep one of them.",
        ],
    ),
    (
        "unknown via",
        "via: web1",
        "via: wbe1",
        [
            "shop.yaml:22:68: environments.production.feeds.metrics.via: There is no host `wbe1`. Did you mean `web1`?",
        ],
    ),
    (
        "unknown jump",
        "jump: [bastion]",
        "jump: [bastoin]",
        [
            "shop.yaml:5:58: hosts.web1.jump.0: There is no host `bastoin`. Did you mean `bastion`?",
        ],
    ),
    (
        "jump circle",
        "user: ops}",
        "user: ops, jump: [web1]}",
        [
            "shop.yaml:4:61: hosts.bastion.jump.0: The jumps go round in a circle: bastion → web1 → "
            "bastion. Break it here.",
            "shop.yaml:5:58: hosts.web1.jump.0: The jumps go round in a circle: web1 → bastion → web1. Break it here.",
        ],
    ),
    (
        "local and remote",
        "user: ops}",
        "user: ops, local: true}",
        [
            "shop.yaml:4:12: hosts.bastion: `bastion` is local and is not reached by SSH: drop `address`, or `local`.",
            "shop.yaml:5:58: hosts.web1.jump.0: The host `bastion` is local: nothing is reached through "
            "it by SSH. Drop it.",
        ],
    ),
    (
        "image of no service",
        "images: {web:",
        "images: {wep:",
        [
            "shop.yaml:18:14: environments.production.stack.images.wep: There is no service `wep`. Did you mean `web`?",
        ],
    ),
    (
        "image without release",
        "shop:{release}",
        "shop:latest",
        [
            "shop.yaml:18:19: environments.production.stack.images.web: This image has no {release} in "
            "it, so no release could change it. Write repo:{release}, or leave the service out of "
            "`images`.",
        ],
    ),
    (
        "wrong variable",
        "shop:{release}",
        "shop:{relase}",
        [
            "shop.yaml:18:19: environments.production.stack.images.web: The variable {relase} is not "
            "known here. Did you mean {release}?",
        ],
    ),
    (
        "unknown service of migrations",
        "{service: web}",
        "{service: wep}",
        [
            "shop.yaml:20:27: environments.production.stack.migrations.service: There is no service "
            "`wep`. Did you mean `web`?",
        ],
    ),
    (
        "dependency circle",
        "{health: none}",
        "{health: none, depends: [web]}",
        [
            "shop.yaml:16:36: environments.production.stack.services.db.depends.0: The services wait "
            "for each other in a circle: db → web → db. Break it here.",
            "shop.yaml:17:42: environments.production.stack.services.web.depends.0: The services wait "
            "for each other in a circle: web → db → web. Break it here.",
        ],
    ),
    (
        "health without port",
        "health: container",
        "health: {kind: http}",
        [
            "shop.yaml:17:21: environments.production.stack.services.web.health: A health request needs "
            "a `port` on the host. Add `port:`.",
        ],
    ),
    (
        "files twice",
        "    files: [compose.yml]",
        "    files: [compose.yml]\n    upload: [tasks.md]",
        [
            "shop.yaml:12:5: environments.production.stack: `stack` needs its compose files once: "
            "`files` (on the hosts) or `upload` (from here).",
        ],
    ),
    (
        "upload missing",
        "    files: [compose.yml]",
        "    upload: [task.md]",
        [
            "shop.yaml:14:14: environments.production.stack.upload.0: The compose file `task.md` does "
            "not exist. Did you mean `tasks.md`?",
        ],
    ),
    (
        "address",
        '"http://127.0.0.1:9090"',
        "127.0.0.1:9090",
        [
            "shop.yaml:22:38: environments.production.feeds.metrics.url: `url` is an address: it begins "
            "with http:// or https:// and names a host.",
        ],
    ),
    (
        "promql",
        "[5m]))",
        "[5m)",
        [
            "shop.yaml:25:32: environments.production.panels.0.query: `query` is not PromQL: unexpected "
            "character inside brackets: ')'.",
        ],
    ),
    (
        "no metrics feed",
        '    metrics: {kind: prometheus, url: "http://127.0.0.1:9090", via: web1}\n',
        "",
        [
            "shop.yaml:23:3: environments.production.panels: There are panels and no metrics feed. Add feeds: metrics.",
        ],
    ),
    (
        "panel of the other feed",
        '{title: Requests, query: "sum(rate(http_requests_total[5m]))"}',
        "{title: Requests, scrape: {metric: up}}",
        [
            "shop.yaml:25:7: environments.production.panels.0: The panel `Requests` has no `query`, and "
            "the metrics come from Prometheus. Add `query:`, in PromQL.",
        ],
    ),
    (
        "wrong smoke variable",
        "Bearer {ticket}",
        "Bearer {tiket}",
        [
            "shop.yaml:34:61: environments.production.smoke.1.headers.Authorization: The variable "
            "{tiket} is not known here. Did you mean {ticket}?",
        ],
    ),
    (
        "wrong smoke variable in what is expected",
        "{name: me,",
        '{name: me, expect: {values: {"$.version": "{release}", "$.of": "{tiket}"}},',
        [
            "shop.yaml:34:70: environments.production.smoke.1.expect.values.$.of: The variable {tiket} is not known "
            "here. Did you mean {ticket}?",
        ],
    ),
    (
        "json path",
        "$.token",
        "token",
        [
            "shop.yaml:33:22: environments.production.smoke.0.save.ticket: `ticket` is not a JSON path: "
            "it begins with $, as in $.token.",
        ],
    ),
    (
        "smoke step twice",
        "{name: me,",
        "{name: login,",
        [
            "shop.yaml:34:14: environments.production.smoke.1.name: Two smoke steps are called `login`. "
            "Call one of them something else.",
        ],
    ),
    (
        "checklist missing",
        "file: tasks.md",
        "file: taks.md",
        [
            "shop.yaml:36:14: environments.production.checklists.0.file: The checklist `taks.md` does "
            "not exist. Did you mean `tasks.md`?",
        ],
    ),
    (
        "probe missing",
        "{Works: health}",
        "{Works: helth}",
        [
            "shop.yaml:36:40: environments.production.checklists.0.probes.Works: There is no probe "
            "`helth`. Did you mean `health`?",
        ],
    ),
    (
        "undeclared credential",
        "{secret: registry}",
        "{secret: registri}",
        [
            "shop.yaml:19:72: environments.production.stack.registry.password.secret: The credential "
            "`registri` is not declared. Did you mean `registry`?",
        ],
    ),
    (
        "undeclared and far",
        "{secret: registry}",
        "{secret: hunter2}",
        [
            "shop.yaml:19:72: environments.production.stack.registry.password.secret: The credential "
            "named here is not declared. Declare its name under `credentials:`, with `kind`, `where` "
            "and `rotate_after_days`.",
        ],
    ),
    (
        "field of a credential",
        "field: username",
        "field: usrname",
        [
            "shop.yaml:32:48: environments.production.smoke.0.body.user.field: The credential "
            "`smoke-user` has no field `usrname`. Did you mean `username`?",
        ],
    ),
    (
        "shell line",
        'health: {kind: http, url: "{base}/health"}',
        "health: {kind: command, argv: docker ps}",
        [
            "shop.yaml:27:35: environments.production.probes.health.argv: `argv` is a list of words, "
            "one for each argument: no shell reads it (write [docker, ps]).",
        ],
    ),
    (
        "no header",
        "Authorization:",
        "Author ization:",
        [
            "shop.yaml:34:46: environments.production.smoke.1.headers.Author ization: `Author ization` "
            "(Bearer {ticket}) does not have the right form. The name of a header has no spaces and no "
            "':'.",
        ],
    ),
    (
        "regex",
        'url: "{base}/health"}',
        'url: "{base}/health", expect: {values: {$.a: {regex: "("}}}}',
        [
            "shop.yaml:27:79: environments.production.probes.health.expect.values.$.a.regex: `regex` is "
            "not a regular expression: missing ), unterminated subpattern at position 0.",
        ],
    ),
    (
        "one key in production",
        "    hosts: [web1]\n",
        "    hosts: [web1]\n    policy: {confirm: key}\n",
        [
            "shop.yaml:41:23: environments.production.policy.confirm: Production is confirmed by typing "
            "its name, never by one key. Drop `confirm`, or `production`.",
        ],
    ),
    (
        "production that does not say so",
        "    production: true\n",
        "",
        [
            "shop.yaml:38:3: environments.production: The environment `production` is called like production and does "
            "not say whether it is. Write `production: true`, so that a change needs its name typed, or "
            "`production: false`.",
        ],
    ),
    (
        "two in one place",
        "environments:\n",
        'environments:\n  canary: {hosts: [web1], urls: {base: "https://c.example.com"}}\n',
        [
            "shop.yaml:10:14: environments.production.directory: The directory `/opt/shop` is already "
            "that of `canary`, on the same host. Give `production` one of its own.",
            "shop.yaml:13:14: environments.production.stack.project: The Compose project `shop` is "
            "already that of `canary`, on the same host. Give `production` one of its own.",
        ],
    ),
    (
        "source",
        "title: Shop",
        "title: Shop\nsource: {}",
        [
            "shop.yaml:3:1: source: `source` is written by the console, not in a file. Remove it.",
        ],
    ),
    (
        "registry half",
        "username: me, ",
        "",
        [
            "shop.yaml:19:15: environments.production.stack.registry: `registry` needs both `username` "
            "and `password`, or neither.",
        ],
    ),
    (
        "password",
        "password: {secret: registry}",
        "password: hunter2",
        [
            "shop.yaml:19:63: defaults.stack.registry.password: `password` holds a literal value." + SECRET,
        ],
    ),
    (
        "passphrase",
        "user: ops}",
        "user: ops, identity: ~/.ssh/id, passphrase: correct horse}",
        [
            "shop.yaml:4:87: hosts.bastion.passphrase: `passphrase` holds a literal value." + SECRET,
        ],
    ),
    (
        "login header",
        "Bearer {ticket}",
        "Bearer abcdef0123456789",
        [
            "shop.yaml:34:61: defaults.smoke.1.headers.Authorization: The header `Authorization` holds "
            "a literal value." + SECRET,
        ],
    ),
    (
        "github token",
        "where: package settings",
        "where: ghp_0123456789abcdefghijABCDEFGHIJ012345",
        [
            "shop.yaml:7:37: credentials.registry.where: This looks like a GitHub token." + SECRET,
        ],
    ),
    (
        "aws key",
        "where: package settings",
        "where: AKIAABCDEFGHIJKLMNOP",
        [
            "shop.yaml:7:37: credentials.registry.where: This looks like an AWS access key." + SECRET,
        ],
    ),
    (
        "slack token",
        "where: package settings",
        "where: xoxb-123456789-abcdef",
        [
            "shop.yaml:7:37: credentials.registry.where: This looks like a Slack token." + SECRET,
        ],
    ),
    (
        "private key",
        "where: package settings",
        "where: '-----BEGIN OPENSSH PRIVATE KEY-----'",
        [
            "shop.yaml:7:37: credentials.registry.where: This looks like a private key." + SECRET,
        ],
    ),
    (
        "jwt",
        "where: package settings",
        "where: eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
        [
            "shop.yaml:7:37: credentials.registry.where: This looks like a JSON web token." + SECRET,
        ],
    ),
    (
        "address with password",
        "https://shop.example.com",
        "https://bob:pw@shop.example.com",
        [
            "shop.yaml:41:18: environments.production.urls.base: This looks like an address with a "
            "password in it." + SECRET,
        ],
    ),
    (
        "duplicate key",
        "title: Shop",
        "title: Shop\ntitle: Store",
        [
            "shop.yaml:3:1: `title` stands here a second time; the first is in line 2. Keep one of them.",
        ],
    ),
    (
        "tab",
        "  directory: /opt/shop",
        "\tdirectory: /opt/shop",
        [
            "shop.yaml:10:1: This is not YAML: found character that cannot start any token while "
            "scanning for the next token. Indent with spaces, not with tabs.",
        ],
    ),
    (
        "unclosed",
        "{health: none}",
        "{health: none",
        [
            "shop.yaml:17:10: This is not YAML: did not find expected ',' or '}' while parsing a flow "
            "mapping. Look for a missing ']', '}' or ','.",
        ],
    ),
    (
        "tag",
        "title: Shop",
        "title: !!python/name:os.system x",
        [
            "shop.yaml:2:8: The tag !!python/name:os.system is not understood. Tags are not used here.",
        ],
    ),
    (
        "alias of nothing",
        "title: Shop",
        "title: *shop",
        [
            "shop.yaml:2:8: *shop refers to nothing. Mark the value it means with &shop, above this line.",
        ],
    ),
    (
        "alias of itself",
        "hosts:\n  bastion",
        "hosts: &a\n  self: *a\n  bastion",
        [
            "shop.yaml:4:9: *a refers to the value that it stands in. A value cannot hold itself.",
        ],
    ),
    (
        "merge key",
        "hosts:\n  bastion",
        "hosts:\n  <<: {}\n  bastion",
        [
            "shop.yaml:4:3: Merge keys (<<) are not part of YAML 1.2. Use `defaults:`, `extends:` or a plain *alias.",
        ],
    ),
    (
        "two documents",
        "title: Shop",
        "title: Shop\n---\na: 1",
        [
            "shop.yaml:3:1: A second document begins here. A profile is one document.",
        ],
    ),
    (
        "escape",
        "title: Shop",
        'title: "Sh\\e[31mop"',
        [
            "shop.yaml:2:8: A text here holds the control character U+001B. Remove it: it could deceive a terminal.",
        ],
    ),
    (
        "no such base",
        "title: Shop",
        "title: Shop\nextends: rooting-ml",
        [
            "shop.yaml:3:10: extends: There is no profile `rooting-ml`. Did you mean `routing-ml`?",
        ],
    ),
    (
        "extends itself",
        "title: Shop",
        "title: Shop\nextends: shop.yaml",
        [
            "shop.yaml:3:10: extends: The `extends` go round in a circle: shop.yaml → shop.yaml. A "
            "profile extends one that is finished.",
        ],
    ),
    (
        "variable with a meaning",
        "title: Shop",
        "title: Shop\nvariables: {release: x}",
        [
            "shop.yaml:3:13: variables.release: A variable cannot be called `release`. That name is "
            "given a value when it is used.",
        ],
    ),
    (
        "inherit",
        "production: true",
        "production: true\n    inherit: no",
        [
            "shop.yaml:40:14: environments.production.inherit: `inherit` is true or false. Write true or false.",
        ],
    ),
]


@pytest.mark.parametrize(("old", "new", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_mistake_is_told_with_its_place_and_what_would_be_right(
    tmp_path: Path, old: str, new: str, expected: list[str]
) -> None:
    assert mistakes(tmp_path, changed(old, new)) == expected


def test_the_sample_itself_is_sound(tmp_path: Path) -> None:
    assert mistakes(tmp_path, SAMPLE) == []


def test_every_case_is_a_kind_of_its_own() -> None:
    assert len({case[0] for case in CASES}) == len(CASES) >= 70
    assert all(case[3] for case in CASES)


def test_all_mistakes_are_told_at_once_and_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = SAMPLE
    pairs = [("jump: [bastion]", "jump: [bastoin]"), ("project: shop", "projct: shop"), ("[5m]))", "[5m)")]
    pairs += [
        ("via: web1", "via: wbe1"),
        ("password: {secret: registry}", "password: hunter2"),
        ("file: tasks", "file: task"),
    ]
    for old, new in pairs:
        text = changed(old, new, text)
    said = mistakes(tmp_path, text)
    assert [line.split(":", 4)[1] for line in said] == ["5", "13", "19", "22", "25", "36"]
    assert "hunter2" not in "\n".join(said)

"""The override file: what a release adds to the user's own compose files, which stay as they are.

Digests and labels, nothing else. It is written by hand rather than by a YAML library so that the same release is the
same text everywhere, down to the byte; strings are JSON strings, which every YAML 1.2 reader takes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from console.stacks.base import LABEL_ENVIRONMENT, LABEL_RELEASE


def override_text(environment: str, release: str, images: Mapping[str, str], labels: Mapping[str, str]) -> str:
    """The override file of `release`: `images` maps services to references, `labels` to the release each is labelled.

    A service whose image did not change keeps its older label, so that Compose leaves it running.
    """
    lines = [
        f"# Written by Quarterdeck for release {release} of {environment}. It is read together with the compose",
        "# files beside it, and never changed: the next release has its own.",
        "services:",
    ]
    for service in sorted(images):
        lines += [
            f"  {_scalar(service)}:",
            f"    image: {_scalar(images[service])}",
            "    labels:",
            f"      {LABEL_ENVIRONMENT}: {_scalar(environment)}",
            f"      {LABEL_RELEASE}: {_scalar(labels.get(service, release))}",
        ]
    return "\n".join(lines) + "\n"


def _scalar(text: str) -> str:
    """A YAML string. Compose fills in `$NAME` in values, so that a dollar is written twice."""
    return json.dumps(text.replace("$", "$$"), ensure_ascii=False)

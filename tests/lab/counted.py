"""Effects as the system itself counts them, and how long the steps of a deploy take there."""

from __future__ import annotations

from collections import Counter

from tests.lab.system import System

SLOW = {"pull": 0.4, "pull-rest": 0.4, "schema-before": 0.8, "migrate": 2.0, "schema-after": 0.8, "up": 1.2}
"""Seconds after a step's beginning within which it is killed; 0.1 for the others."""


def starts(system: System, release: str) -> Counter[str]:
    """What each image of a release was started with, and how often, as the images themselves wrote down."""
    return Counter(f"{one['service']}: {one['command']}" for one in system.host.effects() if one["release"] == release)


def services_started(starts: list[dict[str, str]]) -> Counter[str]:
    """How often the engine says that it started each container of the system, one-off ones left out."""
    return Counter(one["name"] for one in starts if one.get("com.docker.compose.oneoff") == "False")

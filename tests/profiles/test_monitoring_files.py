"""What is written into the monitoring stack's compose files, read by the programs it is written for."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from profiles.loader import BUILTIN

FOLDER = BUILTIN / "routing-ml" / "monitoring"


def tool(name: str) -> str:
    """The program's path. Without it the test skips, and where the lab is required it fails."""
    path = shutil.which(name)
    if path is None:
        said = f"this needs {name}: apt-get install --no-install-recommends prometheus prometheus-alertmanager"
        if os.environ.get("QUARTERDECK_LAB") == "required":
            pytest.fail(said)
        pytest.skip(said)
    return path


def contents() -> dict[str, str]:
    """The configurations in the compose files, as Compose would write them: defaults in place of variables."""
    found: dict[str, str] = {}
    for file in sorted(FOLDER.glob("*.yml")):
        compose: dict[str, Any] = yaml.safe_load(file.read_text("utf-8"))
        for name, config in compose["configs"].items():
            text = re.sub(r"(?<!\$)\$\{\w+:-([^}]*)\}", r"\1", config["content"])
            assert "$" not in text, f"{name} holds a $ that Compose would take for a variable"
            found[name] = text
    return found


def accepted(*argv: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_accepts_its_configuration_and_rules(tmp_path: Path) -> None:
    config = contents()
    (tmp_path / "rules.yml").write_text(config["rules"])
    (tmp_path / "prometheus.yml").write_text(config["prometheus"].replace("/etc/prometheus/rules.yml", "rules.yml"))
    accepted(tool("promtool"), "check", "config", str(tmp_path / "prometheus.yml"))


def test_alertmanager_accepts_its_configuration(tmp_path: Path) -> None:
    (tmp_path / "alertmanager.yml").write_text(contents()["alertmanager"])
    accepted(tool("amtool"), "check-config", str(tmp_path / "alertmanager.yml"))


def test_an_alert_fires_when_the_backend_is_gone(tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(contents()["rules"])
    case = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": "15s",
        "tests": [
            {
                "interval": "15s",
                "input_series": [{"series": 'up{job="routing-ml",instance="backend:8000"}', "values": "1 1 0x20"}],
                "alert_rule_test": [
                    {"eval_time": "30s", "alertname": "BackendDown", "exp_alerts": []},
                    {
                        "eval_time": "3m",
                        "alertname": "BackendDown",
                        "exp_alerts": [
                            {
                                "exp_labels": {
                                    "severity": "critical",
                                    "job": "routing-ml",
                                    "instance": "backend:8000",
                                },
                                "exp_annotations": {
                                    "summary": "The backend cannot be scraped",
                                    "description": "backend:8000 has not answered for a minute.",
                                },
                            }
                        ],
                    },
                ],
            }
        ],
    }
    (tmp_path / "test.yml").write_text(yaml.safe_dump(case))
    accepted(tool("promtool"), "test", "rules", str(tmp_path / "test.yml"))


def test_the_dashboard_is_json_and_asks_for_what_the_panels_ask() -> None:
    dashboard = json.loads(contents()["grafana_routing_ml"])
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert dashboard["uid"] == "routing-ml"
    assert any("histogram_quantile(0.95" in query for query in queries)

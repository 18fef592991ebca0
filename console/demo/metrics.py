"""What a service of the demo counts, in the text exposition format. Stdlib only."""

from __future__ import annotations

import math
import resource
import threading
import time
from pathlib import Path

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Upper bounds in seconds. 0.5 is among them because the target of the latency panel is 500 ms."""


class Metrics:
    """Counters and one histogram, written out in the text exposition format 0.0.4."""

    def __init__(self, service: str, release: str) -> None:
        self._lock = threading.Lock()
        self._info = f'service="{service}",release="{_label(release)}"'
        self._requests: dict[tuple[str, str, int], int] = {}
        if service == "backend":  # from the beginning, so that its share of errors is none rather than not known
            self._requests["POST", "/api/predict", 500] = 0
        self._buckets: dict[str, list[int]] = {}
        self._sums: dict[str, float] = {}
        self._predictions = 0
        self._logins = {"success": 0, "failure": 0}
        self._started = time.time()

    def request(self, method: str, path: str, code: int, seconds: float) -> None:
        """Count one answered request. `path` is a route, not what a client sent, so that series stay few."""
        with self._lock:
            key = (method, path, code)
            self._requests[key] = self._requests.get(key, 0) + 1
            buckets = self._buckets.setdefault(path, [0] * (len(BUCKETS) + 1))
            buckets[next((i for i, bound in enumerate(BUCKETS) if seconds <= bound), len(BUCKETS))] += 1
            self._sums[path] = self._sums.get(path, 0.0) + seconds

    def prediction(self) -> None:
        """Count one prediction."""
        with self._lock:
            self._predictions += 1

    def login(self, ok: bool) -> None:
        """Count one login."""
        with self._lock:
            self._logins["success" if ok else "failure"] += 1

    def text(self, jobs: dict[str, int]) -> str:
        """The whole exposition; `jobs` counts training jobs by state."""
        lines: list[str] = []

        def family(name: str, kind: str, what: str, *samples: tuple[str, float]) -> None:
            lines.append(f"# HELP {name} {what}")
            lines.append(f"# TYPE {name} {kind}")
            lines.extend(f"{label} {value:.10g}" for label, value in samples)

        with self._lock:
            family("build_info", "gauge", "Which release this is.", (f"build_info{{{self._info}}}", 1))
            family(
                "http_requests_total",
                "counter",
                "Requests answered.",
                *(
                    (f'http_requests_total{{method="{method}",path="{path}",code="{code}"}}', count)
                    for (method, path, code), count in sorted(self._requests.items())
                ),
            )
            name = "http_request_duration_seconds"
            samples: list[tuple[str, float]] = []
            for path, counts in sorted(self._buckets.items()):
                total = 0
                for bound, count in zip((*BUCKETS, math.inf), counts, strict=True):
                    total += count
                    le = "+Inf" if bound == math.inf else f"{bound:g}"
                    samples.append((f'{name}_bucket{{path="{path}",le="{le}"}}', total))
                samples.append((f'{name}_sum{{path="{path}"}}', self._sums[path]))
                samples.append((f'{name}_count{{path="{path}"}}', total))
            family(name, "histogram", "Time to answer a request.", *samples)
            family("predictions_total", "counter", "Routings predicted.", ("predictions_total", self._predictions))
            family(
                "logins_total",
                "counter",
                "Logins by result.",
                *((f'logins_total{{result="{result}"}}', count) for result, count in self._logins.items()),
            )
        family(
            "training_jobs",
            "gauge",
            "Training jobs by state.",
            *((f'training_jobs{{state="{state}"}}', count) for state, count in jobs.items()),
        )
        usage = resource.getrusage(resource.RUSAGE_SELF)
        family(
            "process_cpu_seconds_total",
            "counter",
            "CPU time used.",
            ("process_cpu_seconds_total", usage.ru_utime + usage.ru_stime),
        )
        family(
            "process_resident_memory_bytes",
            "gauge",
            "Memory in use.",
            ("process_resident_memory_bytes", _resident_bytes()),
        )
        family(
            "process_start_time_seconds",
            "gauge",
            "When the process started.",
            ("process_start_time_seconds", self._started),
        )
        return "\n".join(lines) + "\n"


def _label(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _resident_bytes() -> int:
    try:
        return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * resource.getpagesize()
    except (OSError, ValueError, IndexError):
        return 0

"""Times as people read them at the command line: local, whatever zone a host says them in."""

import time
from collections.abc import Iterator

import pytest

from console.cli.output import clock, clock_of


@pytest.fixture
def kathmandu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "UTC-05:45")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("kathmandu")
def test_the_time_of_a_service_is_local_and_not_utc_without_its_zone() -> None:
    assert clock_of("2020-03-01T20:30:00.123456789Z") == "2020-03-02 02:15"
    assert clock_of("2020-03-01T20:30:00") == clock(1583094600.0) == "2020-03-02 02:15"
    assert clock_of("") == ""
    assert clock_of("Up 3 days") == "Up 3 days"

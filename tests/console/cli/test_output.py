"""Times as people read them: local, whatever zone a host says them in. Commands as they have to be typed."""

import time
from collections.abc import Iterator

import pytest

from console.cli.output import clock, clock_of, told_profile, typed


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


def test_a_command_that_is_shown_names_the_profile_that_was_given() -> None:
    way = "Go on: quarterdeck runs resume a-run; or `quarterdeck unlock staging`."
    told_profile(None)
    try:
        assert typed(way) == way
        told_profile("it's.yaml")
        quoted = """quarterdeck -p 'it'"'"'s.yaml' """
        assert typed(way) == f"Go on: {quoted}runs resume a-run; or `{quoted}unlock staging`."
        for other in ("quarterdeck demo --reset", "quarterdeck -p demo runs", "quarterdeck wake", "quarterdeck runner"):
            assert typed(other) == other
    finally:
        told_profile(None)
    assert typed(way) == way

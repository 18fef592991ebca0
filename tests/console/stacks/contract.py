"""What every stack must do, whichever way its services run. Each stack's tests subclass `StackContract`.

A `Bench` offers one real host with a deploy directory, a stack of two services (`backend`, `web`), and two candidates
(`first`, `second`) that can be told apart.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from console.hosts.base import Guard, Host, Result
from console.hosts.command import Command, InputText
from console.stacks.base import Ground, Live, Stack
from console.stacks.release import Release, mark_command, place, read_releases, unmark_command

SERVICES = ("backend", "web")
DEADLINE_S = 30.0


@dataclass
class Bench:
    """One host with a ground for the guard, and what a run would do there."""

    host: Host
    stack: Stack
    directory: str
    first: str
    second: str
    images: Callable[[str], dict[str, str]]
    """Images of a candidate."""
    answers: Callable[[], str]
    """Which candidate answers a user's request now; "" if nothing does."""
    step: int = field(default=0)

    def change(self, command: Command) -> Result:
        """Run a changing command under the guard, as the engine does."""
        self.step += 1
        guard = Guard(self.directory, "fence", "run", f"step-{self.step}", 1)
        stdin = command.stdin.text.encode() if isinstance(command.stdin, InputText) else None
        return self.host.guarded(command, guard, stdin=stdin)

    def must(self, command: Command) -> str:
        """The same, and it must succeed."""
        result = self.change(command)
        assert result.rc == 0, (command.shown(), result.out, result.err)
        return result.text()

    def ground(self) -> Ground:
        return self.stack.ground(self.host)

    def release(self, number: int, candidate: str) -> Release:
        ground = self.ground()
        return Release(
            id=f"r{number}",
            environment="staging",
            candidate=candidate,
            action="deploy",
            project="contract",
            images=self.images(candidate),
            files=self.stack.stored_files(ground, {}),
        )

    def deploy(self, number: int, candidate: str) -> Release:
        """Write, fetch and switch, as a deploy does."""
        ground, release = self.ground(), self.release(number, candidate)
        self.must(self.stack.write(ground, release, {}))
        for fetch in self.stack.fetches(ground, release):
            self.must(fetch.run)
        self.must(self.stack.switch(ground, release, ()))
        return release

    def until(self, answer: str) -> None:
        """Poll until users get an answer of that candidate."""
        end = time.monotonic() + DEADLINE_S
        while self.answers() != answer:
            assert time.monotonic() < end, f"{self.answers()!r} answers, not {answer!r}"
            time.sleep(0.05)

    def states(self) -> dict[str, str]:
        return {one.service: one.state for one in self.stack.live(self.host).services}

    def live(self) -> Live:
        return place(self.stack.live(self.host), read_releases(self.host, self.stack.spec.state))


class StackContract:
    """The tests. A subclass gives the fixture `bench`."""

    def test_nothing_is_live_at_first(self, bench: Bench) -> None:
        ground = bench.ground()
        assert ground.problems == ()
        assert ground.live.services == ()
        assert ground.live.release is None
        assert ground.releases == ()

    def test_a_release_goes_live_and_is_known_as_such(self, bench: Bench) -> None:
        release = bench.deploy(1, bench.first)
        bench.until(bench.first)
        live = bench.live()
        assert live.release == "r1"
        assert live.images == release.images
        assert {one.release for one in live.services} == {"r1"}
        assert all(one.state == "running" and one.since for one in live.services)

    def test_the_next_release_replaces_it_and_can_be_taken_back(self, bench: Bench) -> None:
        first = bench.deploy(1, bench.first)
        before = bench.ground()
        second = bench.deploy(2, bench.second)
        bench.until(bench.second)
        assert bench.live().release == "r2"
        bench.must(bench.stack.switch_back(before, first, second, ()))
        bench.until(bench.first)
        assert bench.live().release == "r1"

    def test_switching_and_switching_back_twice_is_the_same_as_once(self, bench: Bench) -> None:
        first = bench.deploy(1, bench.first)
        ground = bench.ground()
        bench.must(bench.stack.switch(ground, first, ()))
        containers = {one.container for one in bench.live().services}
        bench.must(bench.stack.switch(ground, first, ()))
        assert {one.container for one in bench.live().services} == containers
        second = bench.release(2, bench.second)
        bench.must(bench.stack.write(ground, second, {}))
        bench.must(bench.stack.switch_back(ground, first, second, ()))
        assert {one.container for one in bench.live().services} == containers

    def test_the_first_release_is_taken_back_to_nothing(self, bench: Bench) -> None:
        before = bench.ground()
        release = bench.deploy(1, bench.first)
        bench.must(bench.stack.switch_back(before, None, release, ()))
        assert bench.states() == {}
        assert bench.answers() == ""

    def test_only_the_named_service_is_replaced(self, bench: Bench) -> None:
        bench.deploy(1, bench.first)
        before = {one.service: one.container for one in bench.live().services}
        images = {**bench.images(bench.first), "web": bench.images(bench.second)["web"]}
        release = bench.release(2, bench.second).model_copy(update={"images": images, "labels": {"backend": "r1"}})
        ground = bench.ground()
        bench.must(bench.stack.write(ground, release, {}))
        for fetch in bench.stack.fetches(ground, release):
            bench.must(fetch.run)
        bench.must(bench.stack.switch(ground, release, ("web",)))
        after = {one.service: one.container for one in bench.live().services}
        assert after["backend"] == before["backend"]
        assert after["web"] != before["web"]
        assert bench.live().release == "r2"

    def test_stop_start_restart(self, bench: Bench) -> None:
        release = bench.deploy(1, bench.first)
        ground = bench.ground()
        bench.must(bench.stack.stop(ground, release, "web"))
        assert bench.states() == {"backend": "running", "web": "exited"}
        bench.must(bench.stack.stop(ground, release, "web"))
        bench.must(bench.stack.start(ground, release, "web"))
        assert bench.states() == {"backend": "running", "web": "running"}
        started = {one.service: one.since for one in bench.live().services}
        time.sleep(1.1)  # start times are told to the second
        bench.must(bench.stack.restart(ground, None, "web"))
        again = {one.service: one.since for one in bench.live().services}
        assert again["web"] > started["web"]
        assert again["backend"] == started["backend"]

    def test_records_are_written_whole_marked_and_read_back(self, bench: Bench) -> None:
        release = bench.deploy(1, bench.first)
        state = bench.stack.spec.state
        (read,) = read_releases(bench.host, state)
        assert read.planned() == release.planned()
        assert read.verified is None and read.undone is None and read.when
        bench.must(mark_command(state, "r1", "verified"))
        (read,) = read_releases(bench.host, state)
        assert read.verified
        bench.must(mark_command(state, "r1", "verified"))
        (again,) = read_releases(bench.host, state)
        assert again.verified == read.verified
        assert bench.change(bench.stack.write(bench.ground(), release, {})).rc == 1, "a verified release is final"
        bench.must(unmark_command(state, "r1"))
        (read,) = read_releases(bench.host, state)
        assert read.verified is None and read.undone

    def test_the_ground_says_what_is_here(self, bench: Bench) -> None:
        release = bench.deploy(1, bench.first)
        ground = bench.ground()
        assert set(release.images.values()) <= set(ground.images)
        assert bench.host.run(bench.stack.present(ground, release)).rc == 0
        assert bench.host.run(bench.stack.ready_for(ground)).rc == 0
        assert ground.disk_free_mb is not None and ground.disk_free_mb > 0
        assert ground.arch

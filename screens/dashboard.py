"""The dashboard: every environment in a strip, and of one of them services, checklist, metrics and logs, all live."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.containers import Container
from textual.widget import Widget

from screens.base import Deck
from screens.known import Bridge, News
from screens.panes.checklist import ChecklistPane
from screens.panes.logs import LogsPane
from screens.panes.metrics import MetricsPane
from screens.panes.pane import Pane
from screens.panes.services import ServicesPane
from screens.strip import EnvironmentStrip

if TYPE_CHECKING:
    from textual import events
    from textual.app import ComposeResult

    from console.commands import ConsoleCommand
    from console.watch.views import RunLine
    from screens.waiting import WaitingLine

PANES = ("services", "metrics", "checklist", "logs")
ORDER = ("services", "checklist", "metrics", "logs")
"""The order in which Tab goes round: down the left side, then down the right."""


class Dashboard(Deck[None]):
    """Four panes on one environment."""

    SCOPES = ("app", "dashboard")
    SCOPED_CSS = False
    DEFAULT_CSS = """
    #panes {
        height: 1fr;
        layout: grid;
        grid-size: 2 2;
        grid-columns: 2fr 3fr;
        grid-rows: 1fr 1fr;
        grid-gutter: 0 1;
    }
    .zoomed #panes { grid-size: 1 1; grid-columns: 1fr; grid-rows: 1fr; }
    .zoomed Pane { display: none; }
    .zoomed Pane.zoom { display: block; }
    .chosen { background: $panel; }
    """

    def __init__(self, bridge: Bridge, environment: str) -> None:
        super().__init__(bridge, environment)
        self.strip = EnvironmentStrip(symbols=bridge.symbols, id="strip")
        self.waits: list[RunLine] = []
        """Runs that nobody executes, or that ask something."""
        self._waiting: WaitingLine | None = None
        self.panes: dict[str, Pane] = {
            "services": ServicesPane("services", bridge.symbols),
            "metrics": MetricsPane("metrics", bridge.symbols),
            "checklist": ChecklistPane("checklist", bridge.symbols),
            "logs": LogsPane("logs", bridge.symbols),
        }

    def body(self) -> ComposeResult:
        yield self.strip
        with Container(id="panes"):
            for name in PANES:
                yield self.panes[name]

    def on_mount(self) -> None:
        """Textual draws it next, by the same handler of the class above."""
        self._focus("services")

    def on_screen_resume(self, event: events.ScreenResume | None = None) -> None:
        """In front for the first time: what was mounted just now has its styles, and need not be given them again."""
        if event is not None and not self._away:
            event.refresh_styles = False

    def draw(self) -> None:
        self._strip()
        for pane in self.panes.values():
            pane.draw()

    def news(self, news: News) -> None:
        self._strip()
        for pane in self.panes.values():
            pane.news(news)

    def _strip(self) -> None:
        known = self.bridge.known
        running = {name: run.action for name in known.order if (run := known.running(name)) is not None}
        parked = {name: runs[0].action for name in known.order if (runs := known.parked(name))}
        self.strip.show(known.all(), self.environment, running, parked)
        self._offer_waiting()

    def _offer_waiting(self) -> None:
        """The line of runs that wait: made when there is the first one, which is never before the first paint."""
        known = self.bridge.known
        if not known.runs or not isinstance(self.strip.parent, Widget):
            return
        from screens.waiting import WaitingLine, waiting

        before, self.waits = self.waits, waiting(known.runs, self.environment)
        if self.waits and self._waiting is None:
            self._waiting = WaitingLine(symbols=self.bridge.symbols, id="waiting")
            self.strip.parent.mount(self._waiting, after=self.strip)
        if self._waiting is not None:
            self._waiting.show(self.waits, self.bridge.clock())
        if bool(before) is not bool(self.waits):
            self.draw_keys()

    # -- panes ---------------------------------------------------------------------------------------------------

    def pane(self) -> str:
        """The name of the pane that has the focus."""
        for name, pane in self.panes.items():
            if pane.has_focus_within:
                return name
        return ORDER[0]

    def _focus(self, name: str) -> None:
        for widget in self.panes[name].query("*"):
            if widget.focusable:
                widget.focus()
                return

    def _go(self, step: int) -> None:
        name = ORDER[(ORDER.index(self.pane()) + step) % len(ORDER)]
        if self.has_class("zoomed"):
            self._zoom(name)
        self._focus(name)

    def do_next_pane(self) -> None:
        self._go(1)

    def do_previous_pane(self) -> None:
        self._go(-1)

    def _zoom(self, name: str) -> None:
        self.add_class("zoomed")
        for other, pane in self.panes.items():
            pane.set_class(other == name, "zoom")
        self.draw_keys()

    def do_zoom(self) -> None:
        if self.has_class("zoomed"):
            self.do_back()
        else:
            self._zoom(self.pane())

    def offers(self, command: ConsoleCommand) -> bool | None:
        """The run that waits, where there is one."""
        if command.id == "waiting":
            return bool(self.waits)
        if command.id == "back":
            return self.has_class("zoomed")
        return super().offers(command)

    def why_not(self, command: ConsoleCommand) -> str:
        """`r` where no run waits."""
        if command.id == "waiting" and not self.waits:
            return f"No run waits for an answer here.{self._runs_there()}"
        return super().why_not(command)

    def _runs_there(self) -> str:
        """Which run is what somebody who looks for one that waits may mean, and how it is opened."""
        known = self.bridge.known
        places = dict.fromkeys((self.environment, *known.order))
        left = next((run for name in places if (run := known.left_to_a_person(name)) is not None), None)
        run = left or next((run for name in places if (run := known.running(name)) is not None), None)
        if run is None:
            return ""
        where = "" if run.environment in run.title else f" on {run.environment}"
        said = run.state if run is left else f"is {run.state}"
        line = "enter on its line of the services opens it, or w, the list of runs"
        if run.environment != self.environment:
            line = "w, the list of runs, and enter on it opens it"
        return f" {run.title}{where} {said}: {line}."

    def do_waiting(self) -> None:
        """Open the run that waits for somebody."""
        from screens.run import RunScreen

        if self.waits:
            first = self.waits[0]
            self.app.push_screen(RunScreen(self.bridge, first.environment, first.id))

    def do_back(self) -> None:
        """Back from a zoomed pane."""
        self.remove_class("zoomed")
        self.draw_keys()

    # -- environments --------------------------------------------------------------------------------------------

    def do_next_environment(self) -> None:
        self.go_to(self.bridge.known.neighbour(self.environment, 1))

    def do_previous_environment(self) -> None:
        self.go_to(self.bridge.known.neighbour(self.environment, -1))

    def place(self) -> tuple[str | None, str | None]:
        """Service and host of the chosen line of the services pane."""
        pane = self.panes["services"]
        return pane.chosen_place() if isinstance(pane, ServicesPane) and pane.has_focus_within else (None, None)

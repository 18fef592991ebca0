"""The charts of an environment: as many as there is room for, the broken ones first when there is not room for all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.message import Message

from console.watch.views import PanelView
from screens.panes.pane import Pane
from screens.theme import BRAILLE, Symbols
from screens.widgets.chart import Chart
from screens.widgets.chart_data import ChartData, Series, Threshold, tone_of
from screens.widgets.words import quantity
from screens.words import age, moment

if TYPE_CHECKING:
    from textual import events
    from textual.app import ComposeResult

    from screens.known import News

WIDE = 72
"""Cells from which charts stand side by side."""
SPAN_S = 3600.0


class Charts(Container, can_focus=True):
    """The grid of charts; one of them is chosen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "choose(1)", "Next chart", show=False, id="charts.next"),
        Binding("up,k", "choose(-1)", "Chart before", show=False, id="charts.previous"),
    ]
    DEFAULT_CSS = """
    Charts { layout: grid; grid-gutter: 0 2; height: 1fr; padding: 0 1; }
    Charts.roomy { grid-gutter: 1 3; }
    """

    class Resized(Message):
        """There is more or less room."""

    def action_choose(self, step: int) -> None:
        """Choose another chart."""
        pane = self.parent
        if isinstance(pane, MetricsPane):
            pane.choose(step)

    def on_resize(self, event: events.Resize) -> None:
        """Another size may mean another grid."""
        self.post_message(self.Resized())


class MetricsPane(Pane):
    """Values, lines, thresholds; Enter explains the chosen one."""

    TITLE = "Metrics"
    SCOPES = ("app", "metrics")

    def __init__(self, id: str, symbols: Symbols = BRAILLE) -> None:  # noqa: A002 - Textual's word
        super().__init__(id, symbols)
        self.charts: list[Chart] = []
        self.panels: tuple[PanelView, ...] = ()
        self.chosen = 0
        self._beside = (0, 0)
        """Cells that titles and values of sparklines have needed so far: they only grow, so that lines stand still."""
        self._of: tuple[str, bool] | None = None
        """What they were needed for: environment, and whether its values were remembered ones, which take more."""

    def body(self) -> ComposeResult:
        yield Charts(id="charts")

    def on_charts_resized(self) -> None:
        self._beside = (0, 0)
        self.draw()

    def news(self, news: News) -> None:
        if self.environment in news.metrics or news.system is not None:
            self.draw()

    def choose(self, step: int) -> None:
        """Move the choice, round the corner."""
        if self.charts:
            self.chosen = (self.chosen + step) % len(self.charts)
            self.mark_chosen()

    def mark_chosen(self) -> None:
        """Show the choice while the pane has the focus."""
        on = self.query_one("#charts").has_focus
        for number, chart in enumerate(self.charts):
            chart.set_class(on and number == self.chosen, "chosen")

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        super().on_descendant_focus(event)
        self.mark_chosen()

    def on_descendant_blur(self, event: events.DescendantBlur) -> None:
        super().on_descendant_blur(event)
        self.mark_chosen()

    def do_open(self) -> None:
        """Explain the chosen chart."""
        if self.panels:
            panel = self.panels[min(self.chosen, len(self.panels) - 1)]
            source = view.source if (view := self.known.metrics.get(self.environment)) is not None else ""
            self.deck.explain("panel", panel.title, said_of(panel, source, self.deck.bridge.clock()))

    def draw(self) -> None:
        view = self.known.metrics.get(self.environment)
        if view is None or not (view.panels or view.problem):
            self._lay((), "")
            self.head.show([("nothing measured yet", "unknown")])
            return
        if self._of != (of := (self.environment, view.stale)):
            self._of, self._beside = of, (0, 0)
        said: list[tuple[str, Any]] = []
        for tone, glyph in (("bad", self.symbols.bad), ("warn", self.symbols.warn)):
            count = 0 if view.stale else sum(badness(one) == tone for one in view.panels)
            if count:
                said.append((f"{glyph} {count}", tone))
        if view.problem:
            said.append((view.problem, "unknown"))
        self.head.show(said, self.seen(view.at, view.stale) if view.at or view.panels else ("", "dim"))
        self._lay(view.panels, view.problem)

    def _lay(self, panels: tuple[PanelView, ...], said: str) -> None:
        """Give every panel its place in the grid, and draw it. `said`: the problem that stands in the head already."""
        grid = self.query_one("#charts", Charts)
        width, height = grid.content_size
        columns = 2 if width >= WIDE and len(panels) > 1 else 1
        rows = -(-len(panels) // columns) if panels else 1
        if height and rows > height:
            rows = height
            worst = {"bad": 0, "warn": 1, "unknown": 2}
            panels = tuple(sorted(panels, key=lambda one: worst.get(badness(one), 3))[: rows * columns])
        while len(self.charts) < len(panels):
            chart = Chart(symbols=self.symbols)
            self.charts.append(chart)
            grid.mount(chart)
        while len(self.charts) > len(panels):
            self.charts.pop().remove()
        self.panels = panels
        self.chosen = min(self.chosen, max(len(panels) - 1, 0))
        grid.styles.grid_size_columns = columns
        roomy = bool(panels) and height // rows >= 6
        grid.set_class(roomy, "roomy")
        each = max((height - (rows - 1 if roomy else 0)) // rows, 1) if height else 1
        grid.styles.grid_rows = str(each)
        now = self.deck.bridge.clock()
        shown = [chart_of(panel, now, said) for panel in panels]
        if height and each == 1:
            room = max(width // columns - 1, 1)
            needs = [self._beside, *(chart.needs(data, room) for chart, data in zip(self.charts, shown, strict=True))]
            self._beside = (max(name for name, _ in needs), max(values for _, values in needs))
        for chart, data in zip(self.charts, shown, strict=True):
            chart.show(data, self._beside)
        self.mark_chosen()


def last_value(panel: PanelView) -> float | None:
    """The newest value that there is."""
    return next((value for _, value in reversed(panel.points) if value is not None), None)


def limits(panel: PanelView) -> tuple[Threshold, ...]:
    """The panel's thresholds."""
    direction: Any = panel.direction
    made = []
    if panel.warn is not None:
        made.append(Threshold(panel.warn, "warn", direction))
    if panel.bad is not None:
        made.append(Threshold(panel.bad, "bad", direction))
    return tuple(made)


def badness(panel: PanelView) -> str:
    """What a panel means now: `bad`, `warn`, `plain` or `unknown`."""
    return "unknown" if panel.stale or panel.problem else tone_of(last_value(panel), limits(panel))


def said_of(panel: PanelView, source: str, now: float) -> str:
    """What a chart shows, in words: its newest value and what that means, its limits, its range, where it is from."""
    rows: list[str] = []
    value, marks = last_value(panel), {"bad": "bad", "warn": "a warning", "unknown": "not known to be so now"}

    def amount(number: float | None) -> str:
        return quantity(number, panel.unit, panel.decimals)

    if value is not None:
        means = marks.get(badness(panel), "")
        rows.append(f"{amount(value)} at {moment(panel.at, now)}" + (f": {means}" if means else ""))
    given = [(word, limit) for word, limit in (("warning", panel.warn), ("bad", panel.bad)) if limit is not None]
    if given:
        rows.append(", ".join(f"{word} {panel.direction} {amount(limit)}" for word, limit in given))
    seen = [number for _, number in panel.points if number is not None]
    if len(seen) > 1:
        rows.append(f"since {moment(panel.points[0][0], now)} from {amount(min(seen))} to {amount(max(seen))}")
    rows += [panel.problem] if panel.problem else []
    rows += [f"from {source}"] if source else []
    return "\n".join(rows)


def chart_of(panel: PanelView, now: float, said: str = "") -> ChartData:
    """A panel as the chart draws it. A problem that is `said` of all panels once is not repeated in each."""
    old = age(panel.at, now)
    state: Any = "stale" if panel.stale or old else "unknown" if panel.problem else "live"
    note = (
        (panel.problem if panel.problem != said else "")
        or (old if not panel.stale else "")
        or ("partial" if panel.partial else "")
    )
    end = max(panel.at, panel.points[-1][0]) if panel.points else now
    span = max(end - panel.points[0][0], 60.0) if panel.points else SPAN_S
    return ChartData(
        panel.title,
        (Series(panel.title, panel.unit, panel.points, panel.decimals),) if panel.points else (),
        end,
        span,
        limits(panel),
        (),
        state,
        note,
    )

"""Live view of a device in the terminal, by Textual."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import ClassVar, Protocol

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.coordinate import Coordinate
from textual.screen import ModalScreen
from textual.widgets import DataTable, Footer, Static

from edgedescent.watch.chart import LEGEND, chart
from edgedescent.watch.device import DeviceModel
from edgedescent.watch.feed import News, tell
from edgedescent.watch.picture import Picture
from edgedescent.watch.tables import Table, headline, problems, tables

REFRESH_S = 0.5
"""Time between two pictures."""
CHART_LINES = 8
SIDES = (("inputs", "errors", "waiting", "dead_letters", "drift"), ("answers", "numbers"))
"""Tables of the left and of the right side."""
HELP = """\
Inputs        newest value of each feature, its age, and the share
              of the events in which it was missing.
              Marked: missing now, or its input is silent.
Predictions   newest answers, beside the truth where it is known.
Errors        of the model and of baselines over the same events.
              Marked: the baseline is better.
Waiting       what is not learned, labelled, committed or sent.
Dead letters  events that could not be used, by reason; the newest.
Drift alarms  changes found in the error or in an input.

All but the predictions is as old as the daemon's last report
(metrics.interval_s). The view changes nothing on the device.

q       quit               tab, shift+tab    another table
p       pause, and go on   arrows, pages     within a table
?       this page          escape            back
"""


class Source(Protocol):
    """Source of news of the device, such as a `Feed`."""

    def start(self) -> None:
        """Begin to listen."""

    def stop(self) -> None:
        """End the connection."""

    def take(self) -> list[News]:
        """News since the last call."""


class HelpScreen(ModalScreen[None]):
    """Page that explains the view."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,question_mark,q", "dismiss", "Back")]

    def compose(self) -> ComposeResult:
        """Make its only part."""
        yield Static(Text(HELP), id="help")


class Panel(DataTable[Text]):
    """Table of the view, which changes only where its rows do, so that the cursor stays."""

    def __init__(self, name: str) -> None:
        super().__init__(id=name, cursor_type="row", zebra_stripes=True, show_cursor=False)
        self._shown = Table("", (), [])

    def on_focus(self) -> None:
        """Show the cursor while the keys move it."""
        self.show_cursor = True

    def on_blur(self) -> None:
        """Hide the cursor."""
        self.show_cursor = False

    def show(self, table: Table) -> None:
        """Show another state of the table.

        Args:
            table: The table.
        """
        before, self._shown = self._shown, table
        self.display = bool(table.rows)
        if table == before:
            return
        self.border_title = table.title
        if table.columns != before.columns:
            self.clear(columns=True)
            self.add_columns(*table.columns)
        elif len(table.rows) == len(before.rows):
            self._update_rows(before, table)
            return
        cursor, scroll = self.cursor_row, self.scroll_y
        self.clear()
        for number in range(len(table.rows)):
            self.add_row(*_cells(table, number))
        self.move_cursor(row=min(cursor, len(table.rows) - 1), scroll=False)
        self.scroll_to(y=scroll, animate=False)

    def _update_rows(self, before: Table, table: Table) -> None:
        for number, (old, new) in enumerate(zip(before.rows, table.rows, strict=True)):
            if old != new or (number in before.marked) != (number in table.marked):
                for column, cell in enumerate(_cells(table, number)):
                    self.update_cell_at(Coordinate(number, column), cell, update_width=True)


def _cells(table: Table, number: int) -> list[Text]:
    # As `Text`, nothing in it is markup.
    style = "bold yellow" if number in table.marked else ""
    return [Text(cell, style=style) for cell in table.rows[number]]


class WatchApp(App[None]):
    """Live view of a device.

    Args:
        model: Model of the device.
        source: Where news comes from.
        clock: The monotonic clock.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "Quit"),
        Binding("p", "pause", "Pause"),
        Binding("question_mark", "help", "Help", key_display="?"),
    ]
    TITLE = "edgedescent watch"
    ENABLE_COMMAND_PALETTE = False
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide")]  # noqa: RUF012 - as Textual declares it
    CSS = """
    #headline { text-style: bold; padding: 0 1; background: $primary-background; }
    #problems { color: $text-warning; padding: 0 1; height: auto; }
    .-narrow #sides { layout: vertical; overflow-y: auto; }
    .side { width: 1fr; height: 1fr; }
    .-narrow .side { height: auto; }
    Panel { height: auto; max-height: 16; border: round $primary-lighten-1; }
    Panel:focus { border: round $accent; }
    #chart { border: round $primary-lighten-1; padding: 0 1; height: auto; }
    HelpScreen { align: center middle; }
    #help { width: auto; height: auto; max-width: 95%; padding: 1 2; border: round $accent; background: $surface; }
    """

    def __init__(self, model: DeviceModel, source: Source, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._model = model
        self._source = source
        self._clock = clock
        self._headline, self._problems, self._chart = Static(id="headline"), Static(id="problems"), Static(id="chart")
        self._panels = {name: Panel(name) for names in SIDES for name in names}
        self.is_paused = False

    def compose(self) -> ComposeResult:
        """Lay out the parts of the view."""
        yield self._headline
        yield self._problems
        with Horizontal(id="sides"):
            for number, names in enumerate(SIDES):
                with VerticalScroll(classes="side", can_focus=False):
                    if number == 1:
                        yield self._chart
                    for name in names:
                        yield self._panels[name]
        yield Footer()

    def on_mount(self) -> None:
        """Begin to listen, and to refresh the view."""
        self.theme = "textual-dark"
        self._source.start()
        self.set_interval(REFRESH_S, self.refresh_picture)
        self.refresh_picture()

    def on_unmount(self) -> None:
        """End the connection."""
        self._source.stop()

    def action_pause(self) -> None:
        """Pause the view, or let it go on; the model follows the device meanwhile."""
        self.is_paused = not self.is_paused
        self.refresh_picture()

    def action_help(self) -> None:
        """Explain the view."""
        self.push_screen(HelpScreen())

    def refresh_picture(self) -> None:
        """Take in what is new, and show it unless the view is paused."""
        for news in self._source.take():
            tell(self._model, news, self._clock())
        if not self._headline.is_attached:
            # The timer may still run while the parts are removed at the end.
            return
        picture = self._model.picture(self._clock())
        sign = "PAUSED  " if self.is_paused else ""
        self._headline.update(Text(sign + headline(picture)))
        if not self.is_paused:
            self._show(picture)

    def _show(self, picture: Picture) -> None:
        lines = problems(picture) or ([] if picture.broker.connected else ["Connecting to the broker …"])
        self._problems.display = bool(lines)
        self._problems.update(Text("\n".join(lines)))
        for name, table in tables(picture).items():
            self._panels[name].show(table)
        # Of several horizons, the shortest: lines of several times would cross.
        shortest = min((one.horizon_s for one in picture.answers if one.horizon_s is not None), default=None)
        shown = [one for one in picture.answers[::-1] if one.horizon_s == shortest]
        self._show_chart([(one.prediction, one.y) for one in shown])

    def _show_chart(self, answers: Sequence[tuple[float, float | None]]) -> None:
        lines = chart(answers, max(20, self._chart.size.width), CHART_LINES)
        self._chart.display = bool(lines)
        self._chart.border_title = LEGEND
        self._chart.update(Text("\n".join(lines), no_wrap=True))

"""Terminal output of the demo: a live table of the errors, and the result."""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgedescent.features._names import split_name
from edgedescent.learners.explaining import INTERCEPT
from edgedescent_sims.demo.recommending import Step

if TYPE_CHECKING:
    from rich.console import RenderableType

    from edgedescent_sims.demo.session import DemoResult, DemoSession

_SERIES = (
    ("mae", "the model", "green"),
    ("mae_last_value", "the last value", "yellow"),
    ("mae_mean", "the mean", "red"),
)
_BARS = "▁▂▃▄▅▆▇█"
_WIDTH = 48
_PLAIN_INTERVAL_S = 1.0


def sparkline(values: Sequence[float], highest: float, width: int = _WIDTH) -> str:
    """Return a row of bars, each the mean of its share of the values, as high as its share of `highest`.

    >>> sparkline([4.0, 3.0, 2.0, 1.0], 4.0, width=4)
    '█▆▄▂'
    """
    if not values or highest <= 0:
        return ""
    width = min(width, len(values))
    edges = [round(i * len(values) / width) for i in range(width + 1)]
    means = [sum(values[a:b]) / (b - a) for a, b in pairwise(edges)]
    return "".join(_BARS[min(max(round(m / highest * len(_BARS)), 1), len(_BARS)) - 1] for m in means)


def alarm_text(alarm: Mapping[str, Any]) -> str:
    """Return what a drift alarm says, in a line.

    >>> alarm_text({"number": 2, "watched": "input", "input": "temp", "since": 1041, "before": 20.0, "after": 35.5})
    'drift alarm 2: the mean of temp is 35.5 since event 1,041, before 20'
    """
    what = "the mean error" if alarm["watched"] == "error" else f"the mean of {alarm['input']}"
    return (
        f"drift alarm {alarm['number']}: {what} is {alarm['after']:.4g} since event {alarm['since']:,}, "
        f"before {alarm['before']:.4g}"
    )


class Display:
    """Display of a demo: a live table on a terminal, a line a second in a pipe.

    Args:
        quiet: True shows nothing but notices on standard error.
    """

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._terminal = not quiet and sys.stdout.isatty() and importlib.util.find_spec("rich") is not None
        self._session: DemoSession | None = None
        self._live: Any = None
        self._length: int | None = None
        self._next_line = 0.0

    def notify(self, text: str) -> None:
        """Print a notice to standard error, which no program reads."""
        click.echo(text, err=True)

    def introduce(self, session: DemoSession) -> None:
        """Print what was started."""
        if self._quiet:
            return
        self._length = session.length
        count = "" if self._length is None else f"{self._length:,} "
        what = "an ensemble" if session.learner == "AutoRegressor" else f"with {session.learner}"
        click.echo(f"Broker: {session.broker.kind} at {session.broker.url}")
        click.echo(f"Daemon: learning {what}, one event at a time, log in {session.log_path}")
        click.echo(f"Replay: {count}events of {session.source.name}\n")

    @contextmanager
    def live(self, session: DemoSession) -> Iterator[None]:
        """Show the table of errors while the block runs."""
        self._session = session
        if not self._terminal:
            yield
            return
        from rich.live import Live

        with Live(self._picture(0), refresh_per_second=8) as self._live:
            yield
            self._live.update(self._picture(session.metrics[-1]["events_learned"]))
        self._live = None

    def update(self, sent: int) -> None:
        """Show the number of events that were sent, and the errors so far."""
        if self._live is not None:
            self._live.update(self._picture(sent))
        elif not self._quiet and time.monotonic() >= self._next_line and self._session is not None:
            self._next_line = time.monotonic() + _PLAIN_INTERVAL_S
            metrics = self._session.metrics[-1]
            if "hit_rate_at_k" in metrics:
                found = f"{metrics['hit_rate_at_k']:.1%} of the next choices were among ten items recommended"
                click.echo(f"{metrics['events_learned']:>8,} learned; {found}")
            elif "mae" in metrics:
                errors = ", ".join(f"{label} {metrics[name]:.4g}" for name, label, _ in _SERIES)
                share = f"{metrics['mae'] / metrics['mae_mean']:.0%} of the mean's" if metrics["mae_mean"] else ""
                click.echo(f"{metrics['events_learned']:>8,} learned; mean absolute error: {errors} ({share})")

    def _picture(self, sent: int) -> RenderableType:
        from rich.table import Table

        table = Table(box=None, pad_edge=False)
        metrics = self._session.metrics if self._session else []
        rates = [m["hit_rate_at_k"] for m in metrics if "hit_rate_at_k" in m]
        if rates:
            table.add_column(f"{metrics[-1]['events_learned']:,} learned, {sent:,} sent", no_wrap=True)
            table.add_column("share of the next choices among ten items recommended", width=_WIDTH)
            table.add_row(f"{rates[-1]:.1%}", f"[green]{sparkline(rates, max(rates))}[/]")
            return table
        history = [m for m in metrics if "mae" in m]
        learned = history[-1]["events_learned"] if history else 0
        total = f" of {self._length:,}" if self._length else ""
        table.add_column(f"{learned:,} learned, {sent:,} sent{total}", no_wrap=True)
        # Data whose level grows makes every error grow: the shares show which prediction improves.
        table.add_column("error so far, as a share of the mean's", width=_WIDTH)
        table.add_column("share", justify="right")
        table.add_column("mean absolute error", justify="right")
        shares = {name: [m[name] / m["mae_mean"] for m in history if m["mae_mean"]] for name, _, _ in _SERIES}
        highest = max((share for values in shares.values() for share in values), default=0.0)
        for name, label, color in _SERIES:
            values = shares[name]
            now = (f"{values[-1]:.0%}", f"{history[-1][name]:.4g}") if values else ("", "")
            table.add_row(f"predicted by {label}", f"[{color}]{sparkline(values, highest)}[/]", *now)
        alarm = None if self._session is None else self._session.latest_alarm
        if alarm is not None:
            table.caption = alarm_text(alarm)
        return table

    def conclude(self, result: DemoResult) -> None:
        """Print what was learned and where the files are."""
        figures, model_path = result.summary(), Path(result.model_card["path"])
        click.echo(
            f"\nLearned {figures['events_learned']:,} of {figures['events_sent']:,} events "
            f"in {figures['seconds']:.1f} s, "
            f"{figures['dead_letters']} dead letters, {figures['memory_bytes'] / 2**20:.0f} MiB resident."
        )
        if "mae" in figures:
            click.echo("Mean absolute error, each event predicted before it was learned:")
            for name, label, _ in _SERIES:
                click.echo(f"  {label:16} {figures[name]:10.4g}")
        if result.hit_rates:
            click.echo("Share of the next choices that ten items recommended before contained:")
            for name, rate in result.hit_rates.items():
                click.echo(f"  {name:16} {rate:10.4f}")
        if result.newcomer:
            click.echo("\nWhat the daemon recommends to a new user, as the user's events arrive:")
            for line in newcomer_lines(result.newcomer, result.titles):
                click.echo(f"  {line}")
        click.echo("\nWhat was learned:")
        for line in learned_lines(result.learner, result.recent, result.titles):
            click.echo(f"  {line}")
        click.echo(
            f"\nSnapshot: onnxruntime agrees with the daemon within {figures['parity_max_abs_diff']:.1e} "
            f"on {figures['parity_events']} events."
        )
        click.echo(f"  model   {model_path}")
        click.echo(f"  card    {model_path.parent / 'model_card.json'}")
        click.echo(f"  config  {result.folder / 'device.toml'}\n  log     {result.folder / 'daemon.log'}")
        click.echo(f"  state   {result.folder / 'state'}\nEverything that was started has been stopped.")


def newcomer_lines(steps: Sequence[Step], titles: Mapping[str, str]) -> list[str]:
    """Return a line for each list of a new user, with a + before what the event brought into it.

    >>> newcomer_lines([Step(None, ["1", "2"]), Step("1", ["2", "3"])], {"3": "Sabrina (1995)"})
    ['at first: 1; 2', 'after 1: 2; +Sabrina (1995)']
    """
    lines, before = [], set(steps[0].items)
    for step in steps:
        names = [("" if item in before else "+") + titles.get(item, item) for item in step.items]
        when = "at first" if step.item is None else f"after {titles.get(step.item, step.item)}"
        lines.append(f"{when}: {'; '.join(names) or 'nothing'}")
        before = set(step.items)
    return lines


def learned_lines(
    learner: Any, events: Sequence[Mapping[str, Any]] = (), titles: Mapping[str, str] | None = None, most: int = 8
) -> list[str]:
    """Return a summary of a model in a few lines.

    Args:
        learner: The model.
        events: Events of a learner of features, on which it is explained.
        titles: Titles by item id, of a recommender.
        most: Most features that are listed.
    """
    if learner.input_kind == "features":
        effects = sorted(feature_effects(learner, events).items(), key=lambda pair: -pair[1])
        lines = [f"{name:24} moves the prediction by {effect:.4g} on average" for name, effect in effects[:most]]
        return [*lines, *([f"and {len(effects) - most} more features"] if len(effects) > most else [])]
    users, items = learner.encoder.users.keys(), learner.encoder.items.keys()
    factors = f", {learner.n_factors} factors each" if hasattr(learner, "n_factors") else ""
    lines = [f"{len(users):,} users and {len(items):,} items{factors}"]
    if not hasattr(learner, "explain_one"):
        return lines
    return lines + [
        f"for user {user}, more than for others: {', '.join((titles or {}).get(item, item) for item in favourites)}"
        for user in users[:3]
        if (favourites := favourites_of(learner, user))
    ]


def feature_effects(learner: Any, events: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return how much each feature moves the predictions for some events: the mean size of its contributions.

    This holds for an id number too, of which an effect per standard deviation would say nothing.
    """
    sums: dict[str, float] = {}
    for event in events:
        parts = learner.explain_one(event)
        del parts[INTERCEPT]
        of_event: dict[str, float] = {}
        for name, part in parts.items():
            feature = split_name(name)[0]
            of_event[feature] = of_event.get(feature, 0.0) + part
        for feature, part in of_event.items():
            sums[feature] = sums.get(feature, 0.0) + abs(part) / len(events)
    return sums


def favourites_of(learner: Any, user: str, k: int = 3, among: int = 100) -> list[str]:
    """Return the items that a user will like and not everyone does: by taste, among those best for the user."""
    best = learner.recommend(user, k=among, exclude_seen=True)
    return sorted(best, key=lambda item: -learner.explain_one(user, item)["taste"])[:k]

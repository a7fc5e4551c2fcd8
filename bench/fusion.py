"""Send a table as one topic a column through mosquitto, and compare every event that the daemon makes with pandas.

The daemon fuses the columns to features, derives lags, rolling means and the calendar, and has the value of one column
an hour later as label. Messages come in another order, some twice, one column with a clock that is a day ahead, and the
daemon is killed on the way. Its events must be those of pandas, and its weights those of a run without kills:

    python bench/fusion.py household.csv.gz --kills 10
"""

from __future__ import annotations

import json
import math
import random
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import msgspec
import numpy as np
import pandas as pd
from killed_daemon import BROKER_AND_STATE, Sent, differences_of_state, drive

from edgedescent import config as configuration
from edgedescent.assembly import Row
from edgedescent.state import recording
from edgedescent.state.assembled import AssembledEvents
from edgedescent_sims.broker.process import BrokerProcess

HOUR_S, DAY_S = 3600.0, 86_400.0
LATENESS_S = 3 * HOUR_S
DISORDER_S = 2 * HOUR_S
LAGS, WINDOWS = (1, 2, 24), (6, 24)

CONFIG = (
    """
device = "house"
learner = "LinearRegressor"
[assembly]
emit = "label"
lateness_s = {lateness}
ahead_of_others_max_s = {ahead}
[label]
input = "label"
feature = "{label}"
horizon_s = 3600
max_age_s = 60
"""
    + BROKER_AND_STATE
)


@dataclass(frozen=True)
class Trial:
    """Table that is sent, and what happens to its messages on the way.

    Args:
        frame: the columns, with the times as index; at most one row an hour.
        label: the column to predict.
        ahead: the column whose clock is a day ahead; none where it is empty.
        kills: how often the daemon is killed.
        disordered: whether messages come in another order and twice.
        seed: decides the disorder and the moments.
    """

    frame: pd.DataFrame
    label: str
    ahead: str = ""
    kills: int = 0
    disordered: bool = True
    seed: int = 0

    def messages(self) -> list[Sent]:
        """The messages in the order in which they are sent, and one at the end behind which nothing waits."""
        dice = random.Random(self.seed)  # noqa: S311 - a repeatable stream, not a secret
        timed: list[tuple[float, Sent]] = []
        for column in self.frame.columns:
            shift = DAY_S if column == self.ahead else 0.0
            for at, value in zip(seconds(self.frame.index), self.frame[column].tolist(), strict=True):
                message = Sent(f"house/{column}", json.dumps({"time": at + shift, "value": value}).encode())
                timed.append((at + (dice.uniform(0, DISORDER_S) if self.disordered else 0.0), message))
                if self.disordered and dice.random() < 0.05:
                    timed.append((at + dice.uniform(0, DISORDER_S), message))
        timed.sort(key=lambda pair: pair[0])
        last = seconds(self.frame.index)[-1]
        other = next(column for column in self.frame.columns if column not in (self.label, self.ahead))
        flush = [Sent(f"house/{other}", json.dumps({"time": last + k * DAY_S, "value": None}).encode()) for k in (1, 9)]
        return [message for _, message in timed] + flush

    def config(self, folder: Path, port: int) -> str:
        """The configuration of the daemon."""
        ahead = HOUR_S + DISORDER_S
        text = CONFIG.format(port=port, folder=folder, lateness=LATENESS_S, ahead=ahead, label=self.label)
        text = text.replace('emit = "label"', f'emit = "{self.label}"').replace(
            'input = "label"', f'input = "{self.label}"'
        )
        for column in self.frame.columns:
            text += (
                f'[inputs.{column}]\ntopics = ["house/{column}"]\nfields = {{value = "value"}}\ntime = "time"\n'
                'name = "NAME"\n'.replace("NAME", column)
            )
        text += f'[[derive]]\ntype = "Lag"\nof = ["{self.label}"]\nsteps = {list(LAGS)}\n'
        for count in WINDOWS:
            text += f'[[derive]]\ntype = "Rolling"\nof = ["{self.label}"]\ncount = {count}\n'
        return text + '[[derive]]\ntype = "Calendar"\n'

    def expected(self) -> pd.DataFrame:
        """The events by pandas: one row for each time, with the label in the column ``y``."""
        found = self.frame.copy()
        if self.ahead:
            # What it says about a time is known at that time of all others.
            shifted = self.frame[self.ahead].copy()
            shifted.index = shifted.index + pd.Timedelta(days=1)
            found[self.ahead] = shifted.reindex(found.index.union(shifted.index)).ffill().reindex(found.index)
        label = self.frame[self.label]
        for lag in LAGS:
            found[f"{self.label}.lag{lag}"] = label.shift(lag)
        for count in WINDOWS:
            rolling = label.rolling(count, min_periods=1)
            found[f"{self.label}.mean{count}"] = rolling.apply(lambda rows: math.fsum(rows) / len(rows), raw=True)
        turns = {
            "hour": found.index.hour / 24,
            "weekday": found.index.day_of_week / 7,
            "yearday": found.index.day_of_year / 365.25,
        }
        for part, turn in turns.items():
            found[f"{part}.sin"] = [math.sin(2 * math.pi * one) for one in turn]
            found[f"{part}.cos"] = [math.cos(2 * math.pi * one) for one in turn]
        later = label.copy()
        later.index = later.index - pd.Timedelta(hours=1)
        found["y"] = later.reindex(found.index)
        return found


def seconds(index: pd.Index) -> list[float]:
    """Times of an index in seconds since 1970."""
    return [one.timestamp() for one in pd.DatetimeIndex(index).tz_localize("UTC")]


@dataclass(frozen=True)
class Outcome:
    """Outcome of a trial: counts, and differences from pandas."""

    n_asked: int
    n_learned: int
    n_messages: int
    differences: list[str]
    """First differences from pandas, and from a run without kills; none is the aim."""
    counters: dict[str, int]
    seconds: float


def run(trial: Trial) -> Outcome:
    """Send a trial through a broker and a daemon, and compare."""
    with tempfile.TemporaryDirectory() as name, BrokerProcess(kind="mosquitto") as broker:
        folder = Path(name)
        path = folder / "device.toml"
        path.write_text(trial.config(folder, broker.port))
        began = time.monotonic()
        drive(path, broker.port, trial.messages(), kills=trial.kills, seed=trial.seed)
        took = time.monotonic() - began
        config = configuration.load(path)
        messages = list(recording.read(config.state.path))
        events = AssembledEvents(config.engine_settings(), messages)
        rows = list(events)
        differences = [*compare(trial.expected(), rows), *differences_of_state(config, messages)]
        return Outcome(
            n_asked=sum(row.y is None for row in rows),
            n_learned=sum(row.y is not None for row in rows),
            n_messages=len(messages),
            differences=differences,
            counters={name: n for name, n in sorted(events.counters.items()) if n},
            seconds=took,
        )


def compare(expected: pd.DataFrame, rows: Sequence[Row]) -> list[str]:
    """Differences of events from the expected ones, at most ten: of features, labels, times, and of their number."""
    differences: list[str] = []
    wanted = dict(zip(seconds(expected.index), expected.to_dict("records"), strict=True))
    asked = [row for row in rows if row.y is None]
    learned = {row.time - HOUR_S: row for row in rows if row.y is not None}
    labelled = {at: one["y"] for at, one in wanted.items() if not math.isnan(one["y"])}
    if [row.time - HOUR_S for row in asked] != list(wanted):
        differences.append(f"{len(asked)} events were made, in order and without a gap {len(wanted)} were expected")
    for row in asked:
        want = wanted.get(row.time - HOUR_S, {})
        want = {name: value for name, value in want.items() if name != "y" and not math.isnan(value)}
        if row.x != want:
            wrong = {name for name in want.keys() | row.x.keys() if want.get(name) != row.x.get(name)}
            differences.append(f"at {row.time - HOUR_S}: {[(n, row.x.get(n), want.get(n)) for n in sorted(wrong)][:3]}")
    if {at: row.y for at, row in learned.items()} != labelled:
        differences.append(f"{len(learned)} labels differ from the {len(labelled)} expected ones")
    by_time = {row.time: row.x for row in asked}
    if any(row.x != by_time.get(row.time) for row in learned.values()):
        differences.append("an event was learned with other features than it was predicted with")
    return differences[:10]


def made_up(n: int, seed: int = 0) -> pd.DataFrame:
    """Small table of hourly readings."""
    dice = np.random.default_rng(seed)
    hours = np.arange(n)
    power = 100 + 40 * np.sin(2 * np.pi * hours / 24) + dice.normal(0, 5, n)
    frame = {"power": power, "volt": dice.normal(230, 2, n), "kitchen": dice.integers(0, 50, n).astype(float)}
    return pd.DataFrame(frame, index=pd.date_range("2020-01-01 05:00", periods=n, freq="h"))


def household(path: str) -> Trial:
    """Trial on the household's power: all columns but the one that gives it away."""
    frame = pd.read_csv(path, index_col="datetime", parse_dates=True)
    return Trial(frame.drop(columns="Global_intensity"), "Global_active_power", ahead="Voltage")


@click.command()
@click.argument("path", type=click.Path(exists=True, dir_okay=False))
@click.option("--kills", default=10, show_default=True, help="How often the daemon is killed.")
@click.option("--rows", type=int, help="Only so many rows.")
@click.option("--in-order", is_flag=True, help="Send in order, each message once, and with right clocks.")
@click.option("--seed", default=0, show_default=True)
def main(path: str, kills: int, rows: int | None, in_order: bool, seed: int) -> None:
    """Compare the events that a daemon makes of the table at PATH, sent column by column, with pandas."""
    trial = household(path)
    trial = Trial(
        trial.frame.iloc[:rows], trial.label, "" if in_order else trial.ahead, kills, disordered=not in_order, seed=seed
    )
    outcome = run(trial)
    click.echo(msgspec.json.format(msgspec.json.encode(outcome)).decode())
    if outcome.differences:
        raise SystemExit(1)


if __name__ == "__main__":
    main()

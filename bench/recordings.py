"""The streams of adaptation.py: recordings from a folder of the user's, and what River brings along."""

from __future__ import annotations

import csv
import gzip
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

Event = tuple[dict[str, float], float]
Rating = tuple[str, str, float]


@dataclass(frozen=True)
class Recording:
    """A stream in time order.

    Args:
        name: as the table calls it.
        read: yields the events, given the folder of the recordings.
        file: what it reads, below the folder; "" where River brings the stream along.
        input_kind: what an event holds: features and a target, or a user, an item and a rating.
    """

    name: str
    read: Callable[[Path], Iterator[Any]]
    file: str = ""
    input_kind: str = "features"

    def why_not(self, folder: Path | None) -> str | None:
        """Reason why this stream cannot be read; an empty string if it can."""
        if not self.file:
            return None
        if folder is None:
            return f"no --data folder was given, below which {self.file} would be"
        return None if (folder / self.file).is_file() else f"there is no {folder / self.file}"

    def events(self, folder: Path | None, n_max: int) -> list[Any]:
        """The first `n_max` events."""
        return list(islice(self.read(folder or Path()), n_max))


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def _daily(hour: float) -> dict[str, float]:
    """The hour as a place on a circle, so that 23 is next to 0."""
    return {"hour_sin": math.sin(math.tau * hour / 24), "hour_cos": math.cos(math.tau * hour / 24)}


def _calendar(time: datetime) -> dict[str, float]:
    return {"hour": time.hour, "weekday": time.weekday(), "month": time.month, **_daily(time.hour)}


def _with_previous(events: Iterator[Event]) -> Iterator[Event]:
    """Add the label of the event before: whoever predicts the next hour knows this one."""
    previous = 0.0
    for x, y in events:
        yield {**x, "previous": previous}, y
        previous = y


def bike_sharing(folder: Path) -> Iterator[Event]:
    # `casual` and `registered` add up to the target.
    left_out = {"cnt", "casual", "registered", "dteday", "instant"}
    return _with_previous(
        (
            {**{name: float(value) for name, value in row.items() if name not in left_out}, **_daily(float(row["hr"]))},
            float(row["cnt"]),
        )
        for row in _rows(folder / BIKE)
    )


def metro_traffic(folder: Path) -> Iterator[Event]:
    return _with_previous(
        (
            {
                **_calendar(datetime.fromisoformat(row["date_time"])),
                **{name: float(row[name]) for name in ("temp", "rain_1h", "snow_1h", "clouds_all")},
                "holiday": float(row["holiday"] != "None"),
            },
            float(row["traffic_volume"]),
        )
        for row in _rows(folder / METRO)
    )


def household_power(folder: Path) -> Iterator[Event]:
    # The current and the sub-meters nearly give the target away.
    return _with_previous(
        (
            {
                **_calendar(datetime.fromisoformat(row["datetime"])),
                "voltage": float(row["Voltage"]),
                "reactive_power": float(row["Global_reactive_power"]),
            },
            float(row["Global_active_power"]),
        )
        for row in _rows(folder / POWER)
    )


def friedman_drift(_folder: Path) -> Iterator[Event]:
    from river.datasets import synth

    stream = synth.FriedmanDrift(drift_type="lea", position=(2000, 5000, 8000), seed=42)
    # Its names are integers, which not every peer takes.
    return (({f"x{name}": float(value) for name, value in x.items()}, float(y)) for x, y in stream)


def trump_approval(_folder: Path) -> Iterator[Event]:
    from river import datasets

    return ((dict(x), float(y)) for x, y in datasets.TrumpApproval())


def movie_tweetings(folder: Path) -> Iterator[Rating]:
    with gzip.open(folder / MOVIES, "rt", encoding="utf-8") as file:
        rows = [line.strip().split("::") for line in file]
    # The sort is stable, so that ratings of one second stay in the order of the file.
    rows.sort(key=lambda row: int(row[3]))
    return ((user, item, float(rating)) for user, item, rating, _ in rows)


BIKE = "bike-sharing/hour.csv.gz"
METRO = "metro-traffic/Metro_Interstate_Traffic_Volume.csv.gz"
POWER = "household-power-hourly/hourly_filled.csv.gz"
MOVIES = "movietweetings-100k/ratings.dat.gz"

RECORDINGS = (
    Recording("bike sharing", bike_sharing, BIKE),
    Recording("metro traffic", metro_traffic, METRO),
    Recording("household power", household_power, POWER),
    Recording("FriedmanDrift", friedman_drift),
    Recording("TrumpApproval", trump_approval),
    Recording("MovieTweetings", movie_tweetings, MOVIES, input_kind="ratings"),
)

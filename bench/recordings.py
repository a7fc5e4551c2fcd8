"""The streams of adaptation.py: recordings from a folder of the user's, and what River and samlb bring along."""

from __future__ import annotations

import csv
import gzip
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

import click
import numpy as np

Event = tuple[dict[str, float], float]
Rating = tuple[str, str, float]

PREVIOUS = "previous"
"""Feature that holds the label of the event before."""


@dataclass(frozen=True)
class Recording:
    """A stream in time order.

    Args:
        name: as the table calls it.
        read: yields the events, given the path of the file.
        file: what it reads, below the folder of the recordings; "" where River brings the stream along.
        input_kind: what an event holds: features and a target, or a user, an item and a rating.
        season: number of events of a day, where there is a clock; otherwise 0.
        length: how many times as many events are read as of the others.
    """

    name: str
    read: Callable[[Path], Iterator[Any]]
    file: str = ""
    input_kind: str = "features"
    season: int = 0
    length: int = 1

    def path(self, folder: Path | None) -> Path | None:
        """File of the stream, gzipped or not; None if there is none."""
        places = [folder / self.file] if folder else []
        if self.file.startswith("samlb/"):
            places += [place / Path(self.file).name for place in samlb_folders()]
        for place in places:
            for path in (place, place.with_suffix("")) if place.suffix == ".gz" else (place,):
                if path.is_file():
                    return path
        return None

    def why_not(self, folder: Path | None) -> str | None:
        """Reason why this stream cannot be read; None if it can."""
        if not self.file:
            return None if find_spec("river") else "river is not installed"
        if self.path(folder):
            return None
        if folder is None:
            return f"no --data folder was given, below which {self.file} would be"
        return f"there is no {folder / self.file}"

    def events(self, folder: Path | None, n_max: int) -> list[Any]:
        """The first `n_max` events."""
        return list(islice(self.read(self.path(folder) or Path()), n_max))


def samlb_folders() -> list[Path]:
    """Folders where samlb itself looks for its data sets; it downloads them at their first use."""
    found = find_spec("samlb")
    installed = (
        [Path(place, "datasets/regression") for place in (found.submodule_search_locations or [])] if found else []
    )
    return [*installed, Path.home() / ".samlb/datasets/regression"]


def _rows(path: Path) -> Iterator[dict[str, str]]:
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def _daily(hour: float) -> dict[str, float]:
    """The hour as a place on a circle, so that 23 is next to 0."""
    return {"hour_sin": math.sin(math.tau * hour / 24), "hour_cos": math.cos(math.tau * hour / 24)}


def _calendar(time: datetime) -> dict[str, float]:
    return {"hour": time.hour, "weekday": time.weekday(), "month": time.month, **_daily(time.hour)}


def with_previous(events: Iterator[Event]) -> Iterator[Event]:
    """Add the label of the event before: whoever predicts the next hour knows this one."""
    previous = 0.0
    for x, y in events:
        yield {**x, PREVIOUS: previous}, y
        previous = y


# --- Recordings with a clock ----------------------------------------------------------------------


def bike_sharing(path: Path) -> Iterator[Event]:
    # `casual` and `registered` add up to the target.
    left_out = {"cnt", "casual", "registered", "dteday", "instant"}
    return with_previous(
        (
            {**{name: float(value) for name, value in row.items() if name not in left_out}, **_daily(float(row["hr"]))},
            float(row["cnt"]),
        )
        for row in _rows(path)
    )


def metro_traffic(path: Path) -> Iterator[Event]:
    return with_previous(
        (
            {
                **_calendar(datetime.fromisoformat(row["date_time"])),
                **{name: float(row[name]) for name in ("temp", "rain_1h", "snow_1h", "clouds_all")},
                "holiday": float(row["holiday"] != "None"),
            },
            float(row["traffic_volume"]),
        )
        for row in _rows(path)
    )


def household_power(path: Path) -> Iterator[Event]:
    # The current and the sub-meters nearly give the target away.
    return with_previous(
        (
            {
                **_calendar(datetime.fromisoformat(row["datetime"])),
                "voltage": float(row["Voltage"]),
                "reactive_power": float(row["Global_reactive_power"]),
            },
            float(row["Global_active_power"]),
        )
        for row in _rows(path)
    )


def sensor(path: Path) -> Iterator[Event]:
    """A recording of the Numenta Anomaly Benchmark: times and values."""
    return with_previous(
        (_calendar(datetime.fromisoformat(row["timestamp"])), float(row["value"])) for row in _rows(path)
    )


def water_flow(_path: Path) -> Iterator[Event]:
    from river import datasets

    return with_previous((_calendar(x["Time"]), float(y)) for x, y in datasets.WaterFlow())


# --- Streams without one --------------------------------------------------------------------------


def trump_approval(_path: Path) -> Iterator[Event]:
    from river import datasets

    return with_previous((dict(x), float(y)) for x, y in datasets.TrumpApproval())


def chick_weights(_path: Path) -> Iterator[Event]:
    from river import datasets

    return with_previous((dict(x), float(y)) for x, y in datasets.ChickWeights())


def friedman_drift(drift_type: str, position: tuple[int, ...], _path: Path) -> Iterator[Event]:
    from river.datasets import synth

    gradual = {"transition_window": 1000} if drift_type == "gsg" else {}
    stream = synth.FriedmanDrift(drift_type=drift_type, position=position, seed=42, **gradual)
    # Its names are integers, which not every peer takes. Its events are drawn independently: no label says anything
    # about the next one.
    return (({f"x{name}": float(value) for name, value in x.items()}, float(y)) for x, y in stream)


def samlb(path: Path) -> Iterator[Event]:
    """A data set of samlb: arrays, and names of the features."""
    try:
        with np.load(path, allow_pickle=False) as data:
            names = [str(name) for name in data["feature_names"]]
            X, y = data["X"].astype(np.float64).tolist(), data["y"].astype(np.float64).tolist()
    except (EOFError, KeyError) as error:
        # A download that failed leaves an empty file, whose EOFError the command line would take for an interrupt.
        raise ValueError(f"{path} is no data set of samlb: {error}. Remove it, and download it again.") from error
    return with_previous((dict(zip(names, row, strict=True)), label) for row, label in zip(X, y, strict=True))


def movie_tweetings(path: Path) -> Iterator[Rating]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = [line.strip().split("::") for line in file]
    # The sort is stable, so that ratings of one second stay in the order of the file.
    rows.sort(key=lambda row: int(row[3]))
    return ((user, item, float(rating)) for user, item, rating, _ in rows)


METRO = "metro-traffic/Metro_Interstate_Traffic_Volume.csv.gz"
NAB = "nab/realKnownCause"
SEASONS_OF_SAMLB = {"MetroTraffic": 24, "bike": 24}
SAMLB = (
    "FriedmanGra",
    "House8L",
    "MetroTraffic",
    "ailerons",
    "bike",
    "california_housing",
    "cps88wages",
    "diamonds",
    "elevators",
    "fifa",
    "fried",
    "hyperA",
    "kings_county",
    "superconductivity",
    "wave_energy",
)

RECORDINGS = (
    Recording("bike sharing", bike_sharing, "bike-sharing/hour.csv.gz", season=24),
    Recording("metro traffic", metro_traffic, METRO, season=24),
    Recording("household power", household_power, "household-power-hourly/hourly_filled.csv.gz", season=24),
    Recording("machine temperature", sensor, f"{NAB}/machine_temperature_system_failure.csv.gz", season=288),
    Recording("ambient temperature", sensor, f"{NAB}/ambient_temperature_system_failure.csv.gz", season=24),
    Recording("taxi", sensor, f"{NAB}/nyc_taxi.csv.gz", season=48),
    Recording("CPU", sensor, f"{NAB}/cpu_utilization_asg_misconfiguration.csv.gz", season=288),
    Recording("TrumpApproval", trump_approval),
    Recording("ChickWeights", chick_weights),
    Recording("WaterFlow", water_flow, season=24),
    Recording("FriedmanDrift lea", partial(friedman_drift, "lea", (2000, 5000, 8000))),
    Recording("FriedmanDrift gra", partial(friedman_drift, "gra", (3000, 7000))),
    Recording("FriedmanDrift gsg", partial(friedman_drift, "gsg", (3000, 7000))),
    *(Recording(f"samlb {name}", samlb, f"samlb/{name}.npz", season=SEASONS_OF_SAMLB.get(name, 0)) for name in SAMLB),
    Recording("metro traffic, long", metro_traffic, METRO, season=24, length=5),
    Recording("FriedmanDrift lea, long", partial(friedman_drift, "lea", (10_000, 25_000, 40_000)), length=5),
    Recording("MovieTweetings", movie_tweetings, "movietweetings-100k/ratings.dat.gz", input_kind="ratings"),
)


def readable(data: Path | None, only: str) -> list[Recording]:
    """Return the short streams of features whose names hold a text, and that can be read.

    Raises:
        ClickException: If there is none.
    """
    named = [one for one in RECORDINGS if only.lower() in one.name.lower() and one.input_kind == "features"]
    chosen = [one for one in named if one.length == 1 and one.why_not(data) is None]
    if not chosen:
        raise click.ClickException(f"No stream that can be read holds {only!r}. Is --data given?")
    return chosen

"""Errors of predicted ratings: the part of recommend.py that compares ours with River and the running mean."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from harness import columns
from numpy.typing import NDArray
from rankers import reason_left_out

from edgedescent import AutoRecommender, MatrixFactorization
from edgedescent_sims.peers.baselines import RunningMean
from edgedescent_sims.peers.river_ratings import RiverBaseline, RiverBiasedMF
from edgedescent_sims.sources.base import Source
from edgedescent_sims.sources.ratings import RatingsSource
from edgedescent_sims.sources.taste_stream import TasteStream

REFERENCE = "MatrixFactorization"
"""Contestant whose cost is the unit of the costs."""
CHUNK = 1000


LearnMany = Callable[[Sequence[str], Sequence[str], NDArray[np.float64]], NDArray[np.float64]]
"""Predicts each rating of a user and an item, then learns it; returns the predictions."""


@dataclass(frozen=True)
class Rater:
    """A contestant, and what it is compared as."""

    name: str
    start: Callable[[], LearnMany]
    role: Literal["ours", "part", "library"]

    def why_not(self) -> str | None:
        """Reason why it cannot take part; None if it can."""
        return reason_left_out(self.name)


def automatic(**parameters: Any) -> Callable[[], LearnMany]:
    """Make what starts an `AutoRecommender`."""
    return lambda: AutoRecommender(**parameters).learn_many


def peer(make: Callable[[], Any]) -> Callable[[], LearnMany]:
    """Make what starts a peer of the simulators, which takes ratings one by one."""

    def start() -> LearnMany:
        step = make().predict_learn_one
        return lambda *ratings: np.array([step(*rating) for rating in zip(*ratings, strict=True)])

    return start


RATERS = [
    Rater("AutoRecommender", automatic(), "ours"),
    Rater("AutoRecommender, no factors", automatic(n_factors=1, init_scale=0.0), "part"),
    *(Rater(f"AutoRecommender, n_factors {n}", automatic(n_factors=n), "part") for n in (1, 4, 10, 40)),
    Rater(REFERENCE, lambda: MatrixFactorization().learn_many, "part"),
    Rater("running mean", peer(RunningMean), "library"),
    Rater("River Baseline", peer(RiverBaseline), "library"),
    Rater("River BiasedMF", peer(RiverBiasedMF), "library"),
]


@dataclass(frozen=True)
class Ratings:
    """A stream of ratings in time order."""

    name: str
    users: list[str]
    items: list[str]
    y: NDArray[np.float64]


@dataclass(frozen=True)
class RatingRow:
    """Errors and cost of a contestant on a stream."""

    stream: str
    name: str
    role: str
    mae: float
    rmse: float
    later_mae: float
    """Error on the second half."""
    later_rmse: float
    learn_us: float
    """Processor time of one rating, predicted and learned."""
    cost: float
    """The same over that of `REFERENCE` beside it: median over chunks. NaN where that does not take part."""


def streams_of(path: Path, limit: int | None) -> list[Ratings]:
    """The ratings of a file, in time order, and those of simulated users with tastes that differ."""
    tastes = TasteStream(n_users=200, n_items=400, spread=1.0, n_events=min(20_000, limit or 20_000))
    return [ratings_of(path.name, RatingsSource(str(path), limit=limit)), ratings_of("simulated tastes", tastes)]


def ratings_of(name: str, source: Source) -> Ratings:
    """The ratings of a source."""
    events = list(source.events())
    ids = ([str(event[role]) for event in events] for role in ("user", "item"))
    return Ratings(name, *ids, np.array([event["y"] for event in events], dtype=np.float64))


def predict_all(chosen: Sequence[Rater], ratings: Ratings) -> list[RatingRow]:
    """Let the contestants predict and learn every rating, in turns of a thousand, so that a slow spell meets all.

    Predictions are clipped to the scale of the stream.
    """
    learners = [rater.start() for rater in chosen]
    predicted = np.empty((len(chosen), len(ratings.y)))
    n_chunks = -(-len(ratings.y) // CHUNK)
    seconds = np.empty((len(chosen), n_chunks))
    for chunk in range(n_chunks):
        part = slice(chunk * CHUNK, (chunk + 1) * CHUNK)
        event_columns = ratings.users[part], ratings.items[part], ratings.y[part]
        for number, learn_many in enumerate(learners):
            start = time.process_time()
            predicted[number, part] = learn_many(*event_columns)
            seconds[number, chunk] = time.process_time() - start
    missed = np.clip(predicted, ratings.y.min(), ratings.y.max()) - ratings.y
    later = missed[:, len(ratings.y) // 2 :]
    names = [rater.name for rater in chosen]
    unit = seconds[names.index(REFERENCE)] if REFERENCE in names else np.full(n_chunks, np.nan)
    return [
        RatingRow(
            ratings.name,
            rater.name,
            rater.role,
            *(float(value) for errors in (missed[number], later[number]) for value in (mae(errors), rmse(errors))),
            learn_us=float(seconds[number].sum() * 1e6 / len(ratings.y)),
            cost=float(np.median(seconds[number] / unit)),
        )
        for number, rater in enumerate(chosen)
    ]


def mae(errors: NDArray[np.float64]) -> float:
    """Mean absolute error."""
    return float(np.abs(errors).mean())


def rmse(errors: NDArray[np.float64]) -> float:
    """Root of the mean squared error."""
    return float(np.sqrt((errors**2).mean()))


def below_best(rows: Sequence[RatingRow]) -> dict[str, float]:
    """Errors of ours over the least ones of the libraries and of `REFERENCE`."""
    ours = next((row for row in rows if row.role == "ours"), None)
    others = [row for row in rows if row.role == "library" or row.name == REFERENCE]
    if ours is None or not others:
        return {}
    return {name: getattr(ours, name) / min(getattr(row, name) for row in others) for name in ("mae", "rmse")}


def rating_table(rows: Sequence[RatingRow]) -> str:
    """Lay out the rows of a stream for people, the best first."""
    lines = [
        ("", "MAE", "RMSE", "2nd half", "", "learn, µs", "cost"),
        *(
            (row.name, f"{row.mae:.4f}", f"{row.rmse:.4f}", f"{row.later_mae:.4f}", f"{row.later_rmse:.4f}",
             f"{row.learn_us:.1f}", f"{row.cost:.2f}")
            for row in sorted(rows, key=lambda row: row.mae)
        ),
    ]  # fmt: skip
    return columns(lines, text=range(1))

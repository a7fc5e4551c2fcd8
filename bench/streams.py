"""The streams that the benchmarks learn, made from a seed: every run and every peer meets the same events."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, overload

import msgspec
import numpy as np

Event = tuple[dict[str, float], float]
ArrayEvent = tuple["np.ndarray[tuple[int], np.dtype[np.float64]]", float]
Rating = tuple[str, str, float]

SEED = 20


@cache
def regression(n_features: int, n_events: int) -> tuple[Event, ...]:
    """Make events of named features, each with its own mean and scale, and a linear target with 10 % noise.

    The names are the same string objects in every event, as a decoder that caches short keys hands them on.
    """
    names = [f"sensor_{i}" for i in range(n_features)]
    return tuple((dict(zip(names, x.tolist(), strict=True)), float(y)) for x, y in _rows(n_features, n_events))


@cache
def regression_arrays(n_features: int, n_events: int) -> tuple[ArrayEvent, ...]:
    """Make the same events as `regression`, each an array of shape (n_features,) and a target."""
    return tuple(_rows(n_features, n_events))


def _rows(n_features: int, n_events: int) -> list[ArrayEvent]:
    random = np.random.default_rng(SEED)
    means = random.normal(0.0, 10.0, n_features)
    scales = 10.0 ** random.uniform(-1.0, 2.0, n_features)
    weights = random.normal(0.0, 1.0, n_features)
    z = random.normal(0.0, 1.0, (n_events, n_features))
    noise = random.normal(0.0, 0.1 * float(np.linalg.norm(weights)), n_events)
    targets = z @ weights + noise + 5.0
    values = means + scales * z
    return list(zip(values, targets.tolist(), strict=True))


class Arrays(Sequence[ArrayEvent]):
    """Events as one matrix and its targets; a slice of it is one too."""

    def __init__(self, X: np.ndarray[Any, np.dtype[np.float64]], y: np.ndarray[Any, np.dtype[np.float64]]) -> None:
        self.X, self.y = X, y

    def __len__(self) -> int:
        return len(self.y)

    @overload
    def __getitem__(self, place: int) -> ArrayEvent: ...
    @overload
    def __getitem__(self, place: slice) -> Arrays: ...
    def __getitem__(self, place: int | slice) -> ArrayEvent | Arrays:
        if isinstance(place, slice):
            return Arrays(self.X[place], self.y[place])
        return self.X[place], float(self.y[place])


@cache
def regression_matrix(n_features: int, n_events: int) -> Arrays:
    """Make the same events as `regression`, as one matrix."""
    rows = _rows(n_features, n_events)
    return Arrays(np.array([x for x, _ in rows]), np.array([y for _, y in rows]))


class Lines(Sequence[Event]):
    """Events as lines of a file; a slice of it is another file. The files go when this does.

    Args:
        events: what the lines say.
        write: makes the line of an event.
    """

    def __init__(self, events: Sequence[Event], write: Any) -> None:
        self._events, self._write = events, write
        self._slices: dict[tuple[Any, ...], Lines] = {}
        self._folder = tempfile.TemporaryDirectory()
        self.path = Path(self._folder.name) / "events"
        self.path.write_bytes(b"".join(write(x, y) + b"\n" for x, y in events))

    def __len__(self) -> int:
        return len(self._events)

    def __iter__(self) -> Iterator[Event]:
        return iter(self._events)

    @overload
    def __getitem__(self, place: int) -> Event: ...
    @overload
    def __getitem__(self, place: slice) -> Lines: ...
    def __getitem__(self, place: int | slice) -> Event | Lines:
        if not isinstance(place, slice):
            return self._events[place]
        key = (place.start, place.stop, place.step)
        if key not in self._slices:
            # Kept, because the runs of a benchmark ask for the same slices.
            self._slices[key] = Lines(self._events[place], self._write)
        return self._slices[key]


def _sensor_digits(events: Sequence[Event]) -> list[Event]:
    """Values of six digits, as sensors send them: a random double would have seventeen."""
    return [({name: float(f"{v:.6g}") for name, v in x.items()}, float(f"{y:.6g}")) for x, y in events]


@cache
def regression_json(n_features: int, n_events: int) -> Lines:
    """Write the same events as `regression`, to six digits, as lines of JSON, as the daemon takes them."""
    events = _sensor_digits(regression(n_features, n_events))
    return Lines(events, lambda x, y: msgspec.json.encode({"x": x, "y": y}))


@cache
def regression_vw(n_features: int, n_events: int) -> Lines:
    """Write the events of `regression_json` in Vowpal Wabbit's own format."""
    events = _sensor_digits(regression(n_features, n_events))
    return Lines(events, lambda x, y: vw_line(x, y).encode())


def vw_line(x: dict[str, float], y: float | None = None) -> str:
    """An event in Vowpal Wabbit's own format, without a label where `y` is not given."""
    label = "" if y is None else repr(y)
    return f"{label} | " + " ".join([f"{name}:{value!r}" for name, value in x.items()])


@cache
def ratings(n_events: int) -> tuple[Rating, ...]:
    """Make ratings of 1 to 5 by 2,000 users of 2,000 items, few of them popular.

    Beneath them are biases and three latent factors.
    """
    random = np.random.default_rng(SEED)
    n_ids, n_factors = 2000, 3
    popularity = 1.0 / np.arange(1, n_ids + 1) ** 0.8
    popularity /= popularity.sum()
    users = random.choice(n_ids, n_events, p=popularity)
    items = random.choice(n_ids, n_events, p=popularity)
    user_bias, item_bias = random.normal(0.0, 0.5, (2, n_ids))
    p, q = random.normal(0.0, 0.6, (2, n_ids, n_factors))
    scores = 3.0 + user_bias[users] + item_bias[items] + (p[users] * q[items]).sum(axis=1)
    values = np.clip(scores + random.normal(0.0, 0.3, n_events), 1.0, 5.0)
    # An id is the same string object at every event, as above.
    user_ids, item_ids = [f"user-{i}" for i in range(n_ids)], [f"item-{i}" for i in range(n_ids)]
    return tuple(
        (user_ids[u], item_ids[i], y) for u, i, y in zip(users.tolist(), items.tolist(), values.tolist(), strict=True)
    )


@cache
def ratings_as_features(n_events: int) -> tuple[tuple[dict[str, str], float], ...]:
    """Make the same events as `ratings`, with user and item as features."""
    return tuple(({"user": user, "item": item}, y) for user, item, y in ratings(n_events))


@cache
def asked_users(n_events: int) -> tuple[tuple[str, float], ...]:
    """Users to recommend something to, in an order that jumps about."""
    return tuple((f"user-{i * 7 % 1000}", 0.0) for i in range(n_events))

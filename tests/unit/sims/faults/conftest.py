"""Streams for the tests of faults."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
import pytest
from msgspec import Meta

from edgedescent_sims.sources.base import Kind, Source
from edgedescent_sims.sources.batch import Batch

N = 200


@dataclass(kw_only=True, eq=False)
class CutSource(Source):
    """One batch, cut at given places; counts what was read."""

    batch: Annotated[Batch, Meta(description="Events")] = field(kw_only=False)
    cuts: Annotated[tuple[int, ...], Meta(description="Places of the cuts")] = ()
    n_read: int = field(default=0, init=False)

    @property
    def name(self) -> str:
        return "cut"

    @property
    def kind(self) -> Kind:
        return "ratings" if "user" in self.batch.columns else "features"

    def length(self) -> int | None:
        return len(self.batch)

    def batches(self) -> Iterator[Batch]:
        self.n_read = 0
        edges = [0, *sorted(self.cuts), len(self.batch)]
        for start, stop in itertools.pairwise(edges):
            if stop > start:
                self.n_read = stop
                yield self.batch.take(slice(start, stop))


def _frozen(batch: Batch) -> Batch:
    """The batch with arrays that raise when they are written to."""
    for array in (*batch.columns.values(), batch.number, batch.y, batch.optimum, batch.time):
        array.flags.writeable = False
    return batch


def _features() -> Batch:
    rng = np.random.default_rng(7)
    x, z = rng.normal(3.0, 2.0, N), rng.normal(size=N)
    x[rng.random(N) < 0.1] = np.nan
    site = np.array(["north", "south", None], dtype=object)[rng.integers(0, 3, N)]
    y = rng.normal(10.0, 3.0, N)
    time = 1e9 + np.cumsum(rng.exponential(5.0, N))
    batch = Batch.of({"x": x, "z": z, "site": site}, y, optimum=y - 0.5, time=time)
    return _frozen(batch.replace(y=np.where(rng.random(N) < 0.1, np.nan, y)))


def _ratings() -> Batch:
    rng = np.random.default_rng(8)
    user = np.array([f"u{n}" for n in rng.integers(0, 20, N)], dtype=object)
    item = np.array([f"i{n}" for n in rng.integers(0, 30, N)], dtype=object)
    return _frozen(Batch.of({"user": user, "item": item}, rng.integers(0, 11, N).astype(float)))


@pytest.fixture(scope="session")
def cut() -> Callable[..., CutSource]:
    """Function that cuts a stream: of features, of ratings, or a batch that is given."""
    streams = {"features": _features(), "ratings": _ratings()}
    return lambda what="features", *cuts: CutSource(streams[what] if isinstance(what, str) else what, cuts=cuts)

"""Generators: the optimum is what it is said to be, and the cut into batches changes nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgedescent_sims.sources import SOURCES, Batch, Source, generator
from edgedescent_sims.sources.friedman_stream import FriedmanStream
from edgedescent_sims.sources.linear_stream import LinearStream
from edgedescent_sims.sources.resting_sensor import RestingSensor
from edgedescent_sims.sources.sensor_stream import SensorStream
from edgedescent_sims.sources.sparse_stream import SparseStream
from edgedescent_sims.sources.taste_stream import TasteStream

GENERATORS = [name for name in SOURCES.built_in if issubclass(SOURCES[name], generator.Generator)]


def whole(source: Source) -> Batch:
    return Batch.concatenate(list(source.batches()))


def values(batch: Batch) -> list[list[Any]]:
    arrays = [*batch.columns.values(), batch.number, batch.y, batch.target, batch.optimum, batch.time, batch.arrival]
    return [[repr(value) for value in array.tolist()] for array in arrays]


@pytest.mark.parametrize("name", GENERATORS)
@given(seed=st.integers(0, 2**62), cut=st.integers(1, 60))
@settings(max_examples=10, deadline=None)
def test_the_cut_changes_nothing(name: str, seed: int, cut: int) -> None:
    source: Any = SOURCES[name](seed=seed, n_events=100)  # type: ignore[call-arg]
    before = values(whole(source))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(generator, "BATCH_EVENTS", cut)
        assert values(whole(source)) == before


@pytest.mark.parametrize("name", GENERATORS)
def test_noise_is_of_its_size_and_seeds_differ(name: str) -> None:
    kind: Any = SOURCES[name]
    low, high = {"low": -100.0, "high": 100.0}.values()
    scale = {"low": low, "high": high} if name == "TasteStream" else {}
    batch = whole(kind(noise=2.0, seed=7, **scale))
    assert len(batch) == 10_000
    assert np.std(batch.y - batch.optimum) == pytest.approx(2.0, rel=0.03)
    assert abs(np.mean(batch.y - batch.optimum)) < 0.08
    assert (np.diff(batch.time) > 0).all()
    assert (whole(kind(noise=0.0, seed=7)).y == whole(kind(noise=0.0, seed=7)).optimum).all()
    assert not np.array_equal(whole(kind(seed=8)).y, whole(kind(seed=7)).y)


def test_a_linear_stream_is_its_weights() -> None:
    source = LinearStream(n_features=3, scale=10.0, offset=50.0, bias=-1.0, n_events=5000)
    batch = whole(source)
    matrix = batch.matrix()
    assert matrix is not None
    np.testing.assert_allclose(batch.optimum, matrix @ source.true_weights() - 1.0)
    assert matrix.mean() == pytest.approx(50.0, abs=0.5)
    assert matrix.std() == pytest.approx(10.0, abs=0.5)
    with pytest.raises(ValueError, match=r"`weights` of LinearStream must be 2 numbers.* Got 1"):
        LinearStream(n_features=2, weights=(1.0,))


def test_friedman_by_hand() -> None:
    batch = next(FriedmanStream(n_events=3).batches())
    for place in range(3):
        x = [float(batch.columns[f"x{j}"][place]) for j in range(10)]
        expected = 10 * np.sin(np.pi * x[0] * x[1]) + 20 * (x[2] - 0.5) ** 2 + 10 * x[3] + 5 * x[4]
        assert batch.optimum[place] == pytest.approx(expected)


def test_the_sensor_is_decided_by_its_features() -> None:
    batch = whole(SensorStream(n_events=2000))
    x = batch.columns
    effect = np.array([{"eco": -2.0, "normal": 0.0, "boost": 4.0}[mode] for mode in x["mode"]])
    expected = 5 + 0.6 * x["load"] + 0.3 * x["load_last"] + 0.4 * np.maximum(x["temp_last"] - 20, 0) + effect
    np.testing.assert_allclose(batch.optimum[1:], expected[1:])
    assert np.isnan(x["load_last"][0])
    assert (x["load_last"][1:] == x["load"][:-1]).all()
    switches = (x["mode"][1:] != x["mode"][:-1]).mean()
    assert 0.005 < switches < 0.02
    assert set(x["mode"]) == {"eco", "normal", "boost"}


@pytest.mark.parametrize("absent", ["missing", "zero"])
def test_a_sparse_indicator(absent: Any) -> None:
    batch = whole(SparseStream(absent=absent, share=0.1, noise=0.0))
    present = batch.columns["tag=0"] == 1.0
    assert present.mean() == pytest.approx(0.1, abs=0.02)
    assert (batch.y == np.where(present, 10.0, 0.0)).all()
    rest = batch.columns["tag=0"][~present]
    assert np.isnan(rest).all() if absent == "missing" else (rest == 0.0).all()


def test_a_resting_sensor_wakes() -> None:
    x = whole(RestingSensor(rest=5000, n_events=10_000)).columns["x"]
    assert np.std(x[:5000]) == pytest.approx(0.01, rel=0.05)
    assert x[5000:].min() < 1.0
    assert 99.0 < x[5000:].max() < 100.0


def test_ratings_follow_affinity_and_popularity() -> None:
    source = TasteStream(n_users=20, n_items=30, n_events=30_000, zipf=1.0)
    batch = whole(source)
    user = np.array([int(name[1:]) for name in batch.columns["user"]])
    item = np.array([int(name[1:]) for name in batch.columns["item"]])
    np.testing.assert_array_equal(batch.optimum, np.clip(3.0 + source.affinities(), 1.0, 5.0)[user, item])
    assert batch.y.min() >= 1.0
    assert batch.y.max() <= 5.0
    np.testing.assert_allclose(np.bincount(item, minlength=30) / len(item), source.popularity(), atol=0.01)


def test_choices_follow_their_probabilities() -> None:
    source = TasteStream(n_users=3, n_items=5, n_events=30_000, implicit=True)
    batch = whole(source)
    assert (batch.y == 1.0).all()
    found = np.zeros((3, 5))
    for user, item in zip(batch.columns["user"], batch.columns["item"], strict=True):
        found[int(user[1:]), int(item[1:])] += 1
    np.testing.assert_allclose(found / found.sum(axis=1, keepdims=True), source.probabilities(), atol=0.02)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [({"low": 5.0, "high": 5.0}, "`high` of TasteStream must be > `low`"), ({"n_users": 10**6}, "must be <= 20000000")],
)
def test_impossible_tastes_are_refused(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TasteStream(**parameters)

"""The course of drifts over time, their marks, and the twins that only ever saw one regime."""

from __future__ import annotations

import math
import pickle
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import pytest
from msgspec import Meta

from edgedescent.errors import ConfigError
from edgedescent_sims.drift import (
    CovariateShift,
    Drift,
    LabelBias,
    MarkedDrift,
    SensorReplaced,
    SignFlip,
    WeightChange,
)
from edgedescent_sims.drift.contract import check_drift
from edgedescent_sims.sources.base import Mark
from edgedescent_sims.sources.batch import Batch
from edgedescent_sims.sources.in_memory import InMemorySource
from support.drifting_streams import linear_stream, read


def biased(**course: Any) -> LabelBias:
    return LabelBias(linear_stream(), offset=1.0, **course)


@pytest.mark.parametrize(
    ("course", "expected"),
    [
        ({"shape": "abrupt"}, [0, 0, 1, 1, 1, 1, 1, 1, 1, 1]),
        ({"shape": "incremental", "width": 4}, [0, 0, 0.25, 0.5, 0.75, 1, 1, 1, 1, 1]),
        ({"shape": "recurring", "period": 4}, [0, 0, 1, 1, 0, 0, 1, 1, 0, 0]),
        ({"shape": "recurring", "period": 3}, [0, 0, 1, 1, 0, 1, 1, 0, 1, 1]),
        ({"shape": "blip", "width": 3}, [0, 0, 1, 1, 1, 0, 0, 0, 0, 0]),
    ],
)
def test_the_share_of_the_new_regime(course: dict[str, Any], expected: list[float]) -> None:
    assert biased(at=2, **course).share_of(np.arange(1, 11)).tolist() == expected


def test_a_gradual_drift_mixes_the_regimes_ever_more() -> None:
    drift = LabelBias(linear_stream(), offset=1.0, at=1000, shape="gradual", width=10_000)
    share = drift.share_of(np.arange(1, 13_001))
    assert set(share.tolist()) == {0.0, 1.0}
    assert not share[:1000].any()
    assert share[11_000:].all()
    thousands = share[1000:11_000].reshape(10, 1000).mean(axis=1)
    assert thousands.tolist() == pytest.approx([0.05 + 0.1 * tenth for tenth in range(10)], abs=0.05)


@pytest.mark.parametrize(
    ("course", "places"),
    [
        ({"shape": "abrupt"}, [(100, 100)]),
        ({"shape": "gradual", "width": 50}, [(100, 150)]),
        ({"shape": "incremental", "width": 50}, [(100, 150)]),
        ({"shape": "blip", "width": 50}, [(100, 100), (150, 150)]),
        ({"shape": "blip", "width": 400}, [(100, 100)]),
        (
            {"shape": "recurring", "period": 101},
            [(100, 100), (151, 151), (201, 201), (252, 252), (302, 302), (353, 353)],
        ),
    ],
)
def test_marks_are_where_the_regime_changes(course: dict[str, Any], places: list[tuple[int, int]]) -> None:
    drift = biased(at=100, **course)
    assert [(mark.start, mark.end) for mark in drift.marks()] == places
    share = drift.course(np.arange(1, 401))
    if course["shape"] not in ("gradual", "incremental"):
        assert (np.flatnonzero(np.diff(share)) + 1).tolist() == [start for start, _ in places]


def test_a_random_position_lies_in_the_middle_and_is_that_of_the_seed() -> None:
    starts = [biased(seed=seed).start() for seed in range(50)]
    assert starts == [biased(seed=seed).start() for seed in range(50)]
    assert 120 <= min(starts) < max(starts) < 280
    assert len(set(starts)) > 30


# --- Twins --------------------------------------------------------------------------------------------------------


def twin_after(stream: Any, mark: Mark) -> Any:
    """All drifts of a stream, frozen after a mark."""
    return stream.frozen_after(mark, twin_after(stream.source, mark)) if isinstance(stream, Drift) else stream


def chain() -> tuple[SensorReplaced, CovariateShift, WeightChange]:
    """Three drifts around each other; the last one estimates what the first one has changed."""
    replaced = SensorReplaced(linear_stream(), column="x0", factor=10.0, at=50)
    shifted = CovariateShift(replaced, columns=("x1",), offsets=(3.0,), at=150, shape="gradual", width=100)
    return replaced, shifted, WeightChange(shifted, columns=("x0", "x1"), deltas=(2.0, 2.0), at=200)


@pytest.mark.parametrize("span", [(50, 150), (250, 400)])
def test_twins_go_on_as_the_stream_through_a_chain(span: tuple[int, int]) -> None:
    *_, changed = chain()
    twin = twin_after(changed, Mark("drift", "", span[0], span[0]))
    one, other = (read(stream).take(slice(*span)) for stream in (changed, twin))
    for name in one.columns:
        assert np.array_equal(one.column(name), other.column(name), equal_nan=name != "site")
    assert np.array_equal(one.y, other.y, equal_nan=True)
    assert one.optimum.tobytes() == other.optimum.tobytes()


def test_a_twin_that_is_frozen_amid_a_gradual_drift_mixes_the_regimes_as_there() -> None:
    drift = biased(at=100, shape="gradual", width=200)
    twin = drift.frozen_after(Mark("drift", "", 199, 199))
    share = twin.share_of(np.arange(1, 401))
    assert set(share.tolist()) == {0.0, 1.0}
    assert share.mean() == pytest.approx(0.5, abs=0.1)


def test_a_twin_keeps_its_regime_around_another_source_and_in_another_process() -> None:
    drift = SignFlip(linear_stream(), columns=("x0",), at=100)
    twin = drift.frozen_after(drift.marks()[0])
    for copy in (twin.around(linear_stream(batch_events=9)), pickle.loads(pickle.dumps(twin))):  # noqa: S301 - our own
        assert read(copy).column("x0").tolist() == read(twin).column("x0").tolist()


def test_a_marked_drift_changes_nothing() -> None:
    first = MarkedDrift(linear_stream(), title="new pump", at=100)
    second = MarkedDrift(first, title="new oil", at=300)
    assert [mark.label for mark in [*first.marks(), *second.marks()]] == ["new pump", "new oil"]
    for mark in (first.marks()[0], second.marks()[0], Mark("drift", "", 40, 40)):
        assert read(twin_after(second, mark)).number.tolist() == list(range(1, 401))


# --- Columns ------------------------------------------------------------------------------------------------------


def test_a_drift_can_touch_a_column_that_one_below_adds() -> None:
    replaced = SensorReplaced(linear_stream(), column="x0", new_name="x0_new", at=100)
    drift = CovariateShift(replaced, columns=("x0_new",), offsets=(5.0,), at=200)
    x, new = read(replaced).column("x0_new").astype(float), read(drift).column("x0_new").astype(float)
    assert np.isnan(new[:100]).all()
    np.testing.assert_allclose(new[100:] - x[100:], np.repeat([0.0, 5.0], [100, 200]), atol=1e-9)
    late = SensorReplaced(linear_stream(1200), column="x0", new_name="x0_new", at=1100)
    with pytest.raises(ConfigError, match="'x0_new', which has no value in the first 1000 events of memory"):
        SignFlip(late, columns=("x0_new",), at=1150).check()


def test_reading_ahead_reports_no_skipped_rows() -> None:
    notices: list[str] = []

    class Skipping(InMemorySource):
        def batches(self) -> Any:
            self.skipped_rows.reset()
            self.skipped_rows.row(1, "it is empty")
            yield from super().batches()

    source = Skipping(read(linear_stream()))
    source.skipped_rows.notify = notices.append
    read(SignFlip(source, columns=("x0",), at=100))
    assert notices == ["Row 1 is skipped: it is empty."]
    assert source.skipped_rows.rows == 1


# --- A drift of one's own -----------------------------------------------------------------------------------------


@dataclass(kw_only=True, eq=False)
class DailyWave(Drift):
    """A daily wave in a feature."""

    column: Annotated[str, Meta(description="Feature that gets the wave")]
    height: Annotated[float, Meta(description="Height of the wave")] = 1.0

    def touched(self) -> frozenset[str]:
        return frozenset({self.column})

    def apply(self, batch: Batch, share: Any) -> Batch:
        wave = self.height * np.sin(batch.time * 2 * math.pi / 86_400)
        return batch.with_columns({self.column: batch.column(self.column) + share * wave})


@pytest.mark.parametrize("course", [{}, {"shape": "incremental", "width": 100}, {"shape": "recurring", "period": 80}])
def test_a_drift_of_ones_own_takes_15_lines(course: dict[str, Any]) -> None:
    check_drift(DailyWave(linear_stream(), column="x0", height=3.0, at=100, **course))
    with pytest.raises(ConfigError, match="The drift DailyWave names the column 'x9', which memory does not have"):
        DailyWave(linear_stream(), column="x9", at=100).marks()


def test_the_contract_finds_what_a_careless_drift_does() -> None:
    class Rounding(DailyWave):
        def apply(self, batch: Batch, _: Any) -> Batch:
            return batch.with_columns({self.column: np.round(batch.column(self.column), 1)})

    class Forgetful(DailyWave):
        def apply(self, batch: Batch, share: Any) -> Batch:
            return batch.replace(y=np.where(share > 0, batch.y + 1, batch.y))

    class PerBatch(DailyWave):
        def apply(self, batch: Batch, share: Any) -> Batch:
            x = batch.column(self.column)
            return batch.with_columns({self.column: np.where(share > 0, x - x.mean(), x)})

    for kind, message in (
        (Rounding, "change in the regime that it must leave as it is"),
        (Forgetful, r"it touches \['x0'\], and changes \{'y'\}"),
        (PerBatch, r"\['x0'\] are others where batches have 7 events"),
    ):
        with pytest.raises(AssertionError, match=message):
            check_drift(kind(linear_stream(), column="x0", at=100))

"""Each fault does what its equations say, at the rate that it states, and refuses what makes no sense."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgedescent.errors import ConfigError
from edgedescent_sims.faults import (
    FAULTS,
    Bursts,
    ClockAhead,
    ClockSkew,
    DelayedMessages,
    DoubledMessages,
    DroppedMessages,
    LabelDelay,
    MissingLabels,
    MissingValues,
    Outage,
    PoisonedLabels,
    Quantization,
    ReorderedMessages,
    SensorBias,
    SensorNoise,
    Spikes,
    StuckSensor,
)
from edgedescent_sims.faults.episodes import Episodes
from edgedescent_sims.faults.running import RunningMoments
from edgedescent_sims.sources.base import Source
from edgedescent_sims.sources.batch import Batch
from edgedescent_sims.sources.in_memory import InMemorySource

Cut = Callable[..., Source]

NAN = np.nan


def whole(source: Source) -> Batch:
    return Batch.concatenate(list(source.batches()))


def of(x: Any = (), y: Any = None, **more: Any) -> InMemorySource:
    """A stream of one column, or of labels only."""
    columns = {"x": np.array(x, dtype=float)} if len(x) else {}
    labels = np.ones(len(x)) if y is None else np.array(y, dtype=float)
    return InMemorySource(Batch.of(columns, labels, **more))


def x_of(source: Source) -> list[float]:
    return [float(value) for value in whole(source).columns["x"]]


class TestEpisodes:
    @pytest.mark.parametrize(("rate", "length"), [(0.1, 1.0), (0.3, 8.0), (0.9, 2.0), (0.6, 1.0)])
    def test_share_and_mean_length(self, rate: float, length: float) -> None:
        hit = Episodes(rate, length, np.random.default_rng(3)).next(400_000)
        assert hit.mean() == pytest.approx(rate, rel=0.03)
        # The chance that the next event is hit too: 1 - (1 - p) / L.
        begin = rate / (rate + length * (1 - rate))
        assert hit[1:][hit[:-1]].mean() == pytest.approx(1 - (1 - begin) / length, rel=0.03)
        assert hit[1:][~hit[:-1]].mean() == pytest.approx(begin, rel=0.05)

    def test_equals_the_chain_event_by_event(self) -> None:
        rate, length = 0.4, 6.0
        begin = rate / (rate + length * (1 - rate))
        stay = 1 - (1 - begin) / length
        draws = np.random.default_rng(9)
        inside, expected = draws.random() < rate, []
        for draw in draws.random(500):
            inside = bool(draw < (stay if inside else begin))
            expected.append(inside)
        assert Episodes(rate, length, np.random.default_rng(9)).next(500).tolist() == expected

    def test_a_rate_of_one_hits_all(self) -> None:
        assert Episodes(1.0, 7.0, np.random.default_rng(1)).next(100).all()


def test_running_moments_equal_numpys() -> None:
    values = np.random.default_rng(2).normal(1e6, 3.0, 300)
    values[[0, 5, 100]] = NAN
    mean, deviation = RunningMoments().before(values)
    for n in (2, 3, 50, 299):
        known = values[:n][~np.isnan(values[:n])]
        assert mean[n] == pytest.approx(known.mean())
        assert deviation[n] == pytest.approx(known.std(), rel=1e-6, abs=1e-9)


class TestValues:
    def test_missing_values_are_those_of_the_draws(self) -> None:
        fault = MissingValues(of(range(5000)), rate=0.2)
        draws = fault.draws("x")
        draws.random()  # The state in which the chain starts.
        assert np.isnan(x_of(fault)).tolist() == (draws.random(5000) < 0.2).tolist()

    def test_missing_texts_are_none(self, cut: Cut) -> None:
        batch = whole(MissingValues(cut("ratings"), rate=1.0, columns=("item",)))
        assert set(batch.columns["item"]) == {None}
        assert None not in batch.columns["user"].tolist()

    def test_columns_are_hit_independently(self) -> None:
        n = 4000
        source = InMemorySource(Batch.of({name: np.zeros(n) for name in "ab"}, np.zeros(n)))
        batch = whole(MissingValues(source, rate=0.5))
        both = np.isnan(batch.columns["a"]) & np.isnan(batch.columns["b"])
        assert both.mean() == pytest.approx(0.25, abs=0.03)

    def test_a_stuck_sensor_repeats_the_value_before_and_leaves_gaps(self) -> None:
        stuck = StuckSensor(of([1, NAN, 3, NAN, 5, 6]), after=2, until=5)
        assert x_of(stuck) == pytest.approx([1, NAN, 1, NAN, 1, 6], nan_ok=True)

    def test_a_sensor_stuck_from_the_start_repeats_its_first_value(self) -> None:
        assert x_of(StuckSensor(of([NAN, 2, 3, 4]), until=3)) == pytest.approx([NAN, 2, 2, 4], nan_ok=True)

    def test_episodes_of_a_stuck_sensor(self) -> None:
        x = np.arange(1.0, 3001.0)
        after = np.array(x_of(StuckSensor(of(x), rate=0.3, episode_length=10)))
        stuck = after != x
        assert stuck.mean() == pytest.approx(0.3, abs=0.1)
        # While it is stuck it does not move.
        assert (np.diff(after)[stuck[1:]] == 0).all()

    def test_bias(self) -> None:
        assert x_of(SensorBias(of([1, NAN, 3]), size=2, after=1)) == pytest.approx([1, NAN, 5], nan_ok=True)

    def test_spikes_have_their_size_and_both_signs(self) -> None:
        after = np.array(x_of(Spikes(of(np.full(4000, 7.0)), rate=0.1, size=5, unit="absolute")))
        hit = after != 7
        assert hit.mean() == pytest.approx(0.1, abs=0.02)
        assert set(after[hit]) == {2.0, 12.0}
        assert (after[hit] > 7).mean() == pytest.approx(0.5, abs=0.1)

    def test_spikes_in_standard_deviations_of_the_values_before(self) -> None:
        x = np.random.default_rng(1).normal(100, 4, 500)
        after = np.array(x_of(Spikes(of(x), rate=1.0, size=10)))
        assert abs(after[300] - x[300]) == pytest.approx(10 * x[:300].std())
        # No deviation yet: in its place, the size of the value itself.
        assert abs(after[0] - x[0]) == pytest.approx(10 * x[0])

    def test_noise_leaves_a_constant_alone(self) -> None:
        assert x_of(SensorNoise(of([5, 5, 5]), size=3)) == [5, 5, 5]

    def test_noise_in_standard_deviations(self) -> None:
        x = np.random.default_rng(1).normal(0, 4, 6000)
        added = np.array(x_of(SensorNoise(of(x), size=0.5, after=1000))) - x
        assert added[1000:].std() == pytest.approx(2.0, rel=0.05)

    def test_quantization(self) -> None:
        assert x_of(Quantization(of([0.24, 0.26, -1.6]), step=0.5)) == [0.0, 0.5, -1.5]

    def test_a_column_that_comes_late_is_changed_alike_however_cut(self) -> None:
        early = Batch.of({"a": np.ones(300)}, np.ones(300))
        late = Batch.of({"a": np.ones(300), "b": np.ones(300)}, np.ones(300), first=301)

        class Ragged(InMemorySource):
            def batches(self) -> Any:
                yield from (early, late)

        joined = Batch.concatenate([early, late])
        for fault in ("MissingValues", "Spikes"):
            one = whole(FAULTS[fault](Ragged(joined), rate=0.3))
            other = whole(FAULTS[fault](InMemorySource(joined), rate=0.3))
            assert one.columns["b"].tobytes() == other.columns["b"].tobytes()
        assert MissingValues(Ragged(joined), rate=0.3, columns=("b",)).marks()


class TestClocks:
    def test_skew_starts_with_the_span_and_ends_with_it(self) -> None:
        source = of(range(5), time=np.arange(5) * 1e6)
        batch = whole(ClockSkew(source, ppm=50, after=1, until=4))
        assert (batch.time - batch.arrival).tolist() == [0, 0, 50, 100, 0]

    def test_jumps_are_a_walk(self) -> None:
        batch = whole(ClockSkew(of(range(5000)), jump_s=8, jump_rate=0.2))
        jumps = np.diff(batch.time - batch.arrival)
        assert set(jumps) == {-8.0, 0.0, 8.0}
        assert (jumps != 0).mean() == pytest.approx(0.2, abs=0.03)
        assert (jumps > 0).sum() == pytest.approx((jumps < 0).sum(), rel=0.2)

    def test_ahead(self) -> None:
        batch = whole(ClockAhead(of(range(3)), ahead_s=-60, after=1))
        assert (batch.time - batch.arrival).tolist() == [0, -60, -60]


class TestMessages:
    def test_the_dropped_are_those_of_the_draws(self) -> None:
        fault = DroppedMessages(of(y=np.ones(5000)), rate=0.2)
        draws = fault.draws()
        draws.random()
        assert whole(fault).number.tolist() == (np.flatnonzero(draws.random(5000) >= 0.2) + 1).tolist()

    def test_bursts_of_losses(self) -> None:
        number = whole(DroppedMessages(of(y=np.ones(50_000)), rate=0.2, burst_length=10)).number
        gaps = np.diff(number)[np.diff(number) > 1] - 1
        assert len(number) == pytest.approx(40_000, rel=0.03)
        # Two bursts without a gap between them are one.
        assert gaps.mean() == pytest.approx(10 / (1 - 0.2 / (0.2 + 10 * 0.8)), rel=0.1)

    def test_the_doubled_are_those_of_the_draws_and_equal_to_the_first(self) -> None:
        fault = DoubledMessages(of(range(1000)), rate=0.2, delay=3)
        batch = whole(fault)
        _, counts = np.unique(batch.number, return_counts=True)
        assert (counts == 2).tolist() == (fault.draws().random(1000) < 0.2).tolist()
        assert (batch.columns["x"] == batch.number - 1).all()

    def test_a_copy_comes_right_after_its_event_without_a_delay(self) -> None:
        assert whole(DoubledMessages(of(range(3)), rate=1)).number.tolist() == [1, 1, 2, 2, 3, 3]

    def test_the_delayed_come_one_to_n_events_late(self) -> None:
        n, delay = 5000, 6
        batch = whole(DelayedMessages(of(range(n)), rate=0.1, delay=delay))
        place = np.empty(n, dtype=int)
        place[batch.number - 1] = np.arange(n)
        # Those that are late have at least one event before them that was sent later.
        overtaken = np.array([(batch.number[: place[i]] > i + 1).sum() for i in range(n)])
        late = batch.arrival[place] > np.arange(1, n + 1)
        assert late.mean() == pytest.approx(0.1, abs=0.02)
        assert (overtaken[late] <= delay + 1).all()
        delays = (batch.arrival[place] - np.arange(1, n + 1))[late]
        assert set(delays) == set(range(1, delay + 1))
        assert not overtaken[~late].any()

    def test_what_is_held_back_at_the_end_is_released(self) -> None:
        batch = whole(DelayedMessages(of(range(3)), rate=1, delay=1000, until=2))
        assert batch.number[0] == 3
        assert batch.arrival.tolist() == [3, 3, 3]

    def test_reordered_messages_stay_within_the_window(self) -> None:
        number = whole(ReorderedMessages(of(range(2000)), window=4)).number
        seen_max = np.maximum.accumulate(number)
        assert 1 <= (seen_max - number).max() <= 3
        assert (number != np.arange(1, 2001)).mean() > 0.3

    def test_bursts_end_at_the_span(self) -> None:
        batch = whole(Bursts(of(range(9)), size=4, after=1, until=7))
        assert batch.arrival.tolist() == [1, 5, 5, 5, 5, 7, 7, 8, 9]
        assert batch.number.tolist() == list(range(1, 10))

    def test_an_outage_loses_what_it_covers(self) -> None:
        assert whole(Outage(of(range(6)), after=2, until=4)).number.tolist() == [1, 2, 5, 6]
        assert whole(Outage(of(range(6)), after=2)).number.tolist() == [1, 2]

    def test_a_back_fill_comes_in_order_before_the_first_event_after(self) -> None:
        batch = whole(Outage(of(range(6)), after=2, until=4, backfill=True))
        assert batch.number.tolist() == [1, 2, 3, 4, 5, 6]
        assert batch.arrival.tolist() == [1, 2, 5, 5, 5, 6]

    @pytest.mark.parametrize("per_event", [0, 1])
    def test_a_back_fill_at_the_end_of_the_stream_loses_nothing(self, per_event: int) -> None:
        batch = whole(Outage(of(range(6)), after=1, until=5, backfill=True, per_event=per_event))
        assert sorted(batch.number) == [1, 2, 3, 4, 5, 6]
        covered = whole(Outage(of(range(6)), after=1, until=9, backfill=True, per_event=per_event))
        assert covered.number.tolist() == [1, 2, 3, 4, 5, 6]

    @given(
        number=st.permutations(range(1, 41)),
        cuts=st.lists(st.integers(1, 39), max_size=6),
        per_event=st.integers(0, 3),
        span=st.tuples(st.integers(0, 20), st.integers(21, 45)),
    )
    @settings(max_examples=60, deadline=None)
    def test_a_back_fill_equals_a_queue(
        self, cut: Cut, number: list[int], cuts: list[int], per_event: int, span: tuple[int, int]
    ) -> None:
        """In any order of the events, as other faults may leave them."""
        after, until = span
        expected: list[int] = []
        queue: list[int] = []
        for each in number:
            if after < each <= until:
                queue.append(each)
                continue
            n_filled = 0 if each <= after else per_event or len(queue)
            filled, queue = queue[:n_filled], queue[n_filled:]
            expected += [each, *filled] if per_event else [*filled, each]
        batch = Batch.of({}, np.ones(40), number=np.array(number), time=np.arange(40.0))
        result = whole(Outage(cut(batch, *cuts), after=after, until=until, backfill=True, per_event=per_event))
        assert result.number.tolist() == expected + queue
        assert (np.diff(result.arrival) >= 0).all()
        assert result.arrival.max() <= 39


class TestLabels:
    def test_a_late_label_comes_with_its_event_again(self) -> None:
        batch = whole(LabelDelay(of([10, 20, 30], [1, NAN, 3]), delay=1))
        assert batch.number.tolist() == [1, 2, 1, 3, 3]
        assert batch.y.tolist() == pytest.approx([NAN, NAN, 1, NAN, 3], nan_ok=True)
        assert batch.columns["x"].tolist() == [10, 20, 10, 30, 30]
        assert batch.arrival.tolist() == [1, 2, 2, 3, 3]

    def test_a_late_rating_keeps_user_and_item(self, cut: Cut) -> None:
        before, after = whole(cut("ratings")), whole(LabelDelay(cut("ratings"), delay=5))
        assert len(after) == 2 * len(before)
        assert after.columns["item"].tolist() == before.columns["item"][after.number - 1].tolist()
        assert next(iter(after.events("r-"))).keys() == {"id", "user", "item"}

    def test_missing_labels(self) -> None:
        batch = whole(MissingLabels(of(y=np.ones(2000)), rate=0.25))
        assert np.isnan(batch.y).mean() == pytest.approx(0.25, abs=0.04)
        assert not np.isnan(batch.target).any()

    @pytest.mark.parametrize(
        ("parameters", "expected"),
        [
            ({"how": "constant", "value": 9.0}, [9, NAN, 9, 9]),
            # Mirrored at 0, for there is no mean; at 2; at (2 + 4) / 2.
            ({"how": "opposite"}, [-2, NAN, 0, -3]),
        ],
    )
    def test_poisoned(self, parameters: dict[str, Any], expected: list[float]) -> None:
        batch = whole(PoisonedLabels(of(y=[2, NAN, 4, 9]), rate=1.0, **parameters))
        assert batch.y.tolist() == pytest.approx(expected, nan_ok=True)

    def test_huge_labels_lie_so_many_deviations_away(self) -> None:
        y = np.random.default_rng(4).normal(50, 2, 400)
        poisoned = whole(PoisonedLabels(of(y=y), rate=1.0, size=20)).y
        assert abs(poisoned[300] - y[300]) == pytest.approx(20 * y[:300].std())
        assert 0.4 < (poisoned > y).mean() < 0.6

    def test_random_labels_lie_between_those_seen(self, cut: Cut) -> None:
        batch = whole(PoisonedLabels(cut("ratings"), rate=1.0, how="random"))
        assert batch.y.min() >= 0
        assert batch.y.max() <= 10
        assert (batch.y != batch.target).mean() > 0.9


def test_faults_of_one_seed_hit_different_events() -> None:
    source = of(range(5000))
    values: NDArray[np.bool_] = np.isnan(x_of(MissingValues(source, rate=0.5)))
    labels = np.isnan(whole(MissingLabels(source, rate=0.5)).y)
    assert (values & labels).mean() == pytest.approx(0.25, abs=0.03)


@pytest.mark.parametrize(
    ("fault", "parameters", "message"),
    [
        ("MissingValues", {"rate": 0}, "The `rate` of MissingValues must be > 0"),
        ("DroppedMessages", {"rate": 1}, "The `rate` of DroppedMessages must be > 0 and < 1. Got 1"),
        ("DoubledMessages", {"rate": 0}, "`rate` of DoubledMessages"),
        ("DelayedMessages", {"rate": 0.1, "delay": 0}, "`delay` of DelayedMessages"),
        ("ReorderedMessages", {"window": 1}, "`window` of ReorderedMessages"),
        ("Bursts", {"size": 1}, "`size` of Bursts"),
        ("LabelDelay", {"delay": 0}, "`delay` of LabelDelay"),
        ("Spikes", {"rate": 0.1, "size": 0}, "`size` of Spikes"),
        ("SensorNoise", {"size": 0}, "`size` of SensorNoise"),
        ("SensorBias", {"size": 0}, "`size` of SensorBias must not be 0"),
        ("Quantization", {"step": 0}, "`step` of Quantization"),
        ("ClockAhead", {"ahead_s": 0}, "`ahead_s` of ClockAhead must not be 0"),
        ("ClockSkew", {}, "would change nothing"),
        ("ClockSkew", {"jump_s": 3}, "must both be > 0"),
        ("Outage", {}, "no event would be left"),
        ("Outage", {"after": 3, "backfill": True}, "The `until` of Outage must be given"),
        ("Outage", {"after": 3, "per_event": 1}, "must be 0 where `backfill` is false"),
        ("PoisonedLabels", {"rate": 0.1, "how": "constant"}, "must be a number where `how` is 'constant'. Got None"),
        ("PoisonedLabels", {"rate": 0.1, "value": 3.0}, "must be None where `how` is 'huge'. Got 3.0"),
        ("StuckSensor", {"after": 5, "until": 5}, "must be > `after`, which is 5. Got 5"),
    ],
)
def test_parameters_that_change_nothing_are_refused(
    fault: str, parameters: dict[str, Any], message: str, cut: Cut
) -> None:
    with pytest.raises(ValueError, match=message):
        FAULTS[fault](cut(), **parameters)


@pytest.mark.parametrize(
    ("stream", "fault", "parameters", "message"),
    [
        ("features", "Bursts", {"after": 200}, "after 200 lies behind the end of cut, which has 200 events"),
        ("features", "StuckSensor", {"columns": ("sitte",)}, "name 'sitte', which is no column of cut"),
        ("features", "StuckSensor", {"columns": ("site",)}, "name 'site', which holds texts"),
        ("ratings", "StuckSensor", {}, "holds ratings"),
        ("texts", "StuckSensor", {}, "finds no column of cut that it can change"),
    ],
)
def test_what_does_not_fit_the_stream_is_refused(
    stream: str, fault: str, parameters: dict[str, Any], message: str, cut: Cut
) -> None:
    texts = Batch.of({"site": np.array(["a", "b"], dtype=object)}, np.ones(2))
    with pytest.raises(ConfigError, match=message) as caught:
        FAULTS[fault](cut(texts if stream == "texts" else stream), **parameters).marks()
    if "sitte" in message:
        assert caught.value.hint == "Did you mean `site`?"


def test_texts_behind_numbers_are_refused_when_they_come() -> None:
    numbers = Batch.of({"x": np.ones(2)}, np.ones(2))
    texts = Batch.of({"x": np.array(["a", "b"], dtype=object)}, np.ones(2), first=3)

    class Mixed(InMemorySource):
        def batches(self) -> Any:
            yield from (numbers, texts)

    with pytest.raises(ConfigError, match="holds texts"):
        whole(SensorBias(Mixed(numbers), size=1, columns=("x",)))
    # All columns of numbers: a text is none.
    assert whole(SensorBias(Mixed(numbers), size=1)).columns["x"].tolist() == [2, 2, "a", "b"]

"""What every fault must hold: it changes what it says, in its span, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgedescent_sims.faults import FAULTS, Fault
from edgedescent_sims.faults.column_fault import ColumnFault
from edgedescent_sims.sources.base import Source
from edgedescent_sims.sources.batch import Batch

AFTER, UNTIL = 50, 150
FIELDS = ("number", "y", "target", "optimum", "time", "arrival")

Cut = Callable[..., Source]


class Case(NamedTuple):
    """A fault with parameters, and what it may change."""

    fault: str
    parameters: dict[str, Any]
    changes: set[str]
    """Of fields, names of columns, and: order, lost, twice."""
    random: bool = True


CASES = [
    Case("MissingValues", {"rate": 0.3}, {"x", "z", "site"}),
    Case("MissingValues", {"rate": 0.3, "burst_length": 4, "columns": ("site",)}, {"site"}),
    Case("StuckSensor", {}, {"x", "z"}, random=False),
    Case("StuckSensor", {"rate": 0.4, "episode_length": 5, "columns": ("x",)}, {"x"}),
    Case("SensorBias", {"size": 2.5, "columns": ("z",)}, {"z"}, random=False),
    Case("Spikes", {"rate": 0.2}, {"x", "z"}),
    Case("Spikes", {"rate": 0.2, "unit": "absolute", "columns": ("x",)}, {"x"}),
    Case("SensorNoise", {}, {"x", "z"}),
    Case("SensorNoise", {"unit": "absolute", "columns": ("z",)}, {"z"}),
    Case("Quantization", {"step": 0.5}, {"x", "z"}, random=False),
    Case("ClockSkew", {"ppm": -300}, {"time"}, random=False),
    Case("ClockSkew", {"jump_s": 60, "jump_rate": 0.1}, {"time"}),
    Case("ClockAhead", {"ahead_s": 3600}, {"time"}, random=False),
    Case("DroppedMessages", {"rate": 0.3}, {"lost"}),
    Case("DroppedMessages", {"rate": 0.3, "burst_length": 5}, {"lost"}),
    Case("DoubledMessages", {"rate": 0.3}, {"twice", "arrival"}),
    Case("DoubledMessages", {"rate": 0.3, "delay": 7}, {"twice", "arrival"}),
    Case("DelayedMessages", {"rate": 0.3, "delay": 12}, {"order", "arrival"}),
    Case("ReorderedMessages", {"window": 5}, {"order", "arrival"}),
    Case("Bursts", {"size": 7}, {"arrival"}, random=False),
    Case("Outage", {}, {"lost"}, random=False),
    Case("Outage", {"backfill": True}, {"arrival"}, random=False),
    Case("Outage", {"backfill": True, "per_event": 3}, {"arrival", "order"}, random=False),
    Case("LabelDelay", {"delay": 9}, {"twice", "y", "arrival"}, random=False),
    Case("MissingLabels", {"rate": 0.3}, {"y"}),
    Case("MissingLabels", {"rate": 0.3, "burst_length": 6}, {"y"}),
    Case("PoisonedLabels", {"rate": 0.3}, {"y"}),
    Case("PoisonedLabels", {"rate": 0.3, "how": "constant", "value": 5}, {"y"}),
    Case("PoisonedLabels", {"rate": 0.3, "how": "opposite"}, {"y"}),
    Case("PoisonedLabels", {"rate": 0.3, "how": "random"}, {"y"}),
]

each_case = pytest.mark.parametrize(
    "case", CASES, ids=[f"{case.fault}-{'-'.join(map(str, case.parameters.values()))}" for case in CASES]
)


def build(case: Case, source: Source, **more: Any) -> Fault:
    return FAULTS[case.fault](source, **{"after": AFTER, "until": UNTIL, **case.parameters, **more})


def whole(source: Source) -> Batch:
    return Batch.concatenate(list(source.batches()))


def same(a: Batch, b: Batch) -> bool:
    """True if two batches are equal to the last bit."""
    columns = all(bits(a.column(name)) == bits(b.column(name)) for name in {**a.columns, **b.columns})
    return columns and all(bits(getattr(a, name)) == bits(getattr(b, name)) for name in FIELDS)


def bits(array: Any) -> object:
    return array.tolist() if array.dtype == object else array.tobytes()


def streams_of(case: Case) -> list[str]:
    kind = FAULTS[case.fault]
    columns_apply = not issubclass(kind, ColumnFault) or case.parameters == {"rate": 0.3}
    return ["features", "ratings"] if columns_apply else ["features"]


def test_every_fault_has_a_case() -> None:
    assert {case.fault for case in CASES} == set(FAULTS.built_in)


@each_case
def test_it_changes_only_what_it_says(case: Case, cut: Cut) -> None:
    for stream in streams_of(case):
        source = cut(stream, 77, 78, 130)
        before, after = whole(source), whole(build(case, source))
        assert not same(before, after), "It changes nothing."
        numbers, counts = np.unique(after.number, return_counts=True)
        assert set(after.number) <= set(before.number)
        assert "lost" in case.changes or len(numbers) == len(before)
        assert counts.max() <= (2 if "twice" in case.changes else 1)
        first = after.take(np.unique(after.number, return_index=True)[1])
        if not case.changes & {"order", "twice"}:
            assert (np.diff(after.number) > 0).all()
        if "twice" in case.changes:
            assert same(first.take(np.argsort(first.number)), first)

        # Every occurrence of an event, beside the event as it was.
        truth = before.take(after.number - 1)
        for name in ("target", "optimum", *(set(FIELDS) - case.changes)):
            assert bits(getattr(after, name)) == bits(getattr(truth, name)), name
        if stream == "features" or case.fault != "MissingValues":
            for name in set(before.columns) - case.changes:
                assert bits(after.columns[name]) == bits(truth.columns[name]), name


@each_case
def test_outside_of_its_span_nothing_changes(case: Case, cut: Cut) -> None:
    source = cut("features", 20, 100)
    outside = [
        batch.take((batch.number <= AFTER) | (batch.number > UNTIL))
        for batch in (whole(source), whole(build(case, source)))
    ]
    assert same(*outside)
    assert len(outside[0]) == AFTER + 50


@each_case
def test_arrival_never_falls(case: Case, cut: Cut) -> None:
    for until in (UNTIL, 1000):
        arrival = whole(build(case, cut("features", 99), until=until)).arrival
        assert (np.diff(arrival) >= 0).all()


@each_case
@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_how_the_events_are_cut_does_not_matter(case: Case, cut: Cut, data: st.DataObject) -> None:
    cuts = data.draw(st.lists(st.integers(1, 199), max_size=12))
    seed = data.draw(st.integers(0, 2**62))
    messy = data.draw(st.booleans())

    def run(*places: int) -> Batch:
        source = cut("features", *places)
        if messy:
            source = FAULTS["DelayedMessages"](source, rate=0.3, delay=20)
            source = FAULTS["DoubledMessages"](source, rate=0.3, delay=30)
            # Cut again, because the others hand out full batches.
            source = cut(whole(source), *places)
        return whole(build(case, source, seed=seed))

    assert same(run(), run(*cuts))


@each_case
def test_it_repeats_and_its_seed_decides(case: Case, cut: Cut) -> None:
    fault = build(case, cut())
    first = whole(fault)
    assert same(first, whole(fault))
    assert same(first, whole(build(case, cut())))
    assert same(first, whole(build(case, cut(), seed=2))) is not case.random


@each_case
def test_two_readings_at_once_do_not_disturb_each_other(case: Case, cut: Cut) -> None:
    fault = build(case, cut("features", *range(10, 200, 10)))
    alone = whole(fault)
    one, other = [], []
    for a, b in zip(fault.batches(), fault.batches(), strict=True):
        one.append(a)
        other.append(b)
    assert same(alone, Batch.concatenate(one))
    assert same(alone, Batch.concatenate(other))


@each_case
def test_marks_state_its_span(case: Case, cut: Cut) -> None:
    [mark] = build(case, cut()).marks()
    assert (mark.kind, mark.start, mark.end) == ("fault", AFTER, UNTIL)
    assert mark.label.startswith(case.fault)
    assert build(case, cut(), until=10_000).marks()[0].end == 200


@each_case
def test_it_goes_around_another_source(case: Case, cut: Cut) -> None:
    fault = build(case, cut())
    assert same(whole(fault.around(cut("features", 3))), whole(fault))


@pytest.mark.parametrize(
    ("name", "parameters", "held"),
    [
        ("DelayedMessages", {"rate": 0.5, "delay": 300}, 300),
        ("DoubledMessages", {"rate": 0.5, "delay": 300}, 300),
        ("ReorderedMessages", {"window": 300}, 300),
        ("LabelDelay", {"delay": 300}, 300),
        ("Bursts", {"size": 300}, 300),
        ("Outage", {"backfill": True, "per_event": 2, "after": 5000, "until": 5300}, 600),
    ],
)
def test_it_streams(name: str, parameters: dict[str, Any], held: int, cut: Cut) -> None:
    n = 30_000
    source = cut(Batch.of({}, np.ones(n)), *range(100, n, 100))
    n_out = 0
    for batch in FAULTS[name](source, **parameters).batches():
        n_out += len(batch)
        assert len(batch) <= 4096
        assert int(batch.number.max()) + held + 4096 + 100 >= source.n_read  # type: ignore[attr-defined]
    assert n_out >= n

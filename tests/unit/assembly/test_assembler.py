"""Fusion: events of many topics, by the label, an input or an interval; ages, order, ticks and silence."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from edgedescent.assembly import Row, Unusable
from edgedescent.assembly.inputs import Reading
from edgedescent.assembly.ordering import ReorderBuffer, StreamClock
from support.assembly import Assembly, Step, bits, sent

TWO = """
[inputs.a]
topics = ["a"]
fields = {v = "v"}
time = "t"
max_age_s = 100
[inputs.b]
topics = ["b"]
fields = {v = "v"}
time = "t"
"""
NOWCAST = TWO + '[label]\ninput = "b"\nfeature = "b.v"\n'
FORECAST = TWO + '[label]\ninput = "b"\nfeature = "b.v"\nhorizon_s = 10\n'
NO_WAIT = "[assembly]\nlateness_s = 0\n"


def told(steps: list[Step]) -> list[tuple[Any, ...]]:
    return [
        (step.time, step.x, step.y) if isinstance(step, Row) else (getattr(step, "reason", None),) for step in steps
    ]


def at(topic: str, time: float, value: object, received_at: float | None = None) -> Any:
    return sent(topic, time if received_at is None else received_at, t=time, v=value)


# --- When events are made -----------------------------------------------------------------------------------------


def test_a_label_makes_an_event_of_what_is_known() -> None:
    one = Assembly(NOWCAST + NO_WAIT)
    assert told(one.take(at("a", 0, 1), at("a", 5, 2), at("b", 7, 30))) == [(7.0, {"a.v": 2.0}, 30.0)]
    # Too old values are missing, and without any there is no event.
    assert told(one.take(at("b", 105, 31))) == [(105.0, {"a.v": 2.0}, 31.0)]
    assert told(one.take(at("b", 106, 32))) == []
    assert one.counts["rows_empty"] == 1


def test_a_gap_is_a_missing_value() -> None:
    one = Assembly(NOWCAST + NO_WAIT)
    assert told(one.take(at("a", 0, 1), at("a", 1, "unavailable"), at("b", 2, 5), at("b", 3, None))) == []
    assert (one.counts["rows_empty"], one.counts["labels_missing"]) == (1, 1)
    assert told(one.take(at("b", 4, "warm"))) == [("wrong_type",)]


def test_an_input_makes_events_that_wait_for_their_label() -> None:
    one = Assembly(FORECAST + NO_WAIT + 'emit = "a"\n')
    steps = one.take(at("b", 0, 5), at("a", 1, 1), at("b", 9, 6), at("b", 11, 7), at("b", 12, 8))
    assert told(steps) == [(11.0, {"b.v": 5.0, "a.v": 1.0}, None), (11.0, {"b.v": 5.0, "a.v": 1.0}, 7.0)]
    assert isinstance(steps[1], Row)
    assert steps[1].earlier == 0.0


def test_a_forecast_whose_label_is_too_old_is_not_learned() -> None:
    one = Assembly(FORECAST + "max_age_s = 3\n" + NO_WAIT)
    steps = one.take(at("b", 0, 5), at("b", 20, 6))
    assert told(steps) == [
        (10.0, {"b.v": 5.0}, None),
        ("the label is missing at its time",),
        (30.0, {"b.v": 6.0}, None),
    ]
    assert one.counts["labels_missing"] == 1


def test_an_interval_makes_events_at_its_multiples() -> None:
    one = Assembly(FORECAST + "max_age_s = 100\n" + NO_WAIT + "every_s = 10\n")
    steps = one.take(at("b", 3, 1), at("b", 10, 2), at("b", 12, 3), at("b", 31, 4))
    assert told(steps) == [
        (20.0, {"b.v": 2.0}, None),
        (20.0, {"b.v": 2.0}, 3.0),
        (30.0, {"b.v": 3.0}, None),
        (30.0, {"b.v": 3.0}, 3.0),
        (40.0, {"b.v": 3.0}, None),
    ]


def test_a_gap_in_the_stream_makes_a_bounded_number_of_events() -> None:
    one = Assembly(FORECAST + NO_WAIT + "every_s = 10\n")
    one.take(at("b", 3, 1))
    steps = one.take(at("b", 10_000_003, 2))
    assert sum(isinstance(step, Row) and step.y is None for step in steps) == 101
    assert one.counts["rows_skipped"] == 1_000_000 - 101


def test_what_is_learned_comes_before_what_is_asked_at_the_same_time() -> None:
    one = Assembly(FORECAST + NO_WAIT)
    steps = one.take(at("b", 0, 5), at("b", 10, 6))
    assert told(steps[1:]) == [(10.0, {"b.v": 5.0}, 6.0), (20.0, {"b.v": 6.0}, None)]


# --- Order --------------------------------------------------------------------------------------------------------


def test_readings_wait_for_those_before_them() -> None:
    one = Assembly(NOWCAST + "[assembly]\nlateness_s = 5\n")
    steps = one.take(at("b", 10, 1), at("a", 8, 7), at("b", 15, 2))
    assert told(steps) == []
    assert told(one.take(at("b", 16, 3))) == [(10.0, {"a.v": 7.0}, 1.0)]
    # At one time, the label comes last.
    assert told(one.take(at("a", 15, 8), at("b", 30, 4))) == [(15.0, {"a.v": 8.0}, 2.0), (16.0, {"a.v": 8.0}, 3.0)]


def test_what_is_late_is_counted_and_kept() -> None:
    one = Assembly(NOWCAST + "[assembly]\nlateness_s = 5\n")
    assert told(one.take(at("a", 9, 1), at("b", 10, 1), at("b", 20, 1), at("a", 15, 1))) == [(10.0, {"a.v": 1.0}, 1.0)]
    [late] = one.take(at("a", 14, 1))
    assert late == Unusable("late", "a: the reading is 6 s behind the newest; the lateness is 5 s.")
    assert one.counts["readings_late"] == 1


def test_a_doubled_message_changes_nothing_and_a_correction_counts_while_it_waits() -> None:
    one = Assembly(NOWCAST + "[assembly]\nlateness_s = 5\n")
    one.take(at("a", 1, 7), at("a", 1, 7), at("b", 2, 1), at("b", 2, 3), at("b", 2, 3))
    assert told(one.take(at("a", 20, 9))) == [(2.0, {"a.v": 7.0}, 3.0)]
    assert (one.counts["readings_repeated"], one.counts["readings_corrected"]) == (2, 1)


def test_a_clock_that_runs_ahead_is_set_back() -> None:
    one = Assembly(NOWCAST + "[assembly]\nlateness_s = 5\nclock_ahead_max_s = 10\n")
    one.take(at("a", 86_500, 7, received_at=100))
    assert told(one.take(at("b", 106, 1, received_at=106), at("b", 112, 2, received_at=112), at("b", 118, 3))) == [
        (112.0, {"a.v": 7.0}, 2.0)
    ]
    assert one.assembler.metrics()["clocks_set_back"] == 1
    assert one.counts["readings_late"] == 0


def test_a_clock_ahead_of_all_others_does_not_make_them_late() -> None:
    one = Assembly(NOWCAST + "[assembly]\nlateness_s = 5\nahead_of_others_max_s = 50\n")
    steps = one.take(
        *(at("a", time, time, received_at=1e6) for time in (1, 86_403)),
        *(at("b", time, time, received_at=1e6) for time in (2, 8, 14, 20)),
    )
    assert told(steps) == [(2.0, {"a.v": 1.0}, 2.0), (8.0, {"a.v": 1.0}, 8.0), (14.0, {"a.v": 1.0}, 14.0)]
    assert one.counts["readings_late"] == 0
    # It is used once the others get there.
    [*_, (time, x, _)] = told(one.take(at("b", 86_404, 1, received_at=1e6), at("b", 86_420, 2, received_at=1e6)))
    assert (time, x) == (86_404.0, {"a.v": 86_403.0})


def test_more_than_may_wait_is_released_early() -> None:
    one = Assembly(NOWCAST + "[assembly]\nlateness_s = 1000\nheld_max = 2\n")
    steps = one.take(at("a", 1, 7), at("b", 2, 1), at("b", 3, 2), at("b", 4, 3))
    assert told(steps) == [(2.0, {"a.v": 7.0}, 1.0)]
    assert one.counts["readings_released_early"] == 2


def test_what_has_no_time_gets_that_of_the_stream() -> None:
    clock = StreamClock(2, 60.0, None)
    first, other, third = Reading(1000.0, 0, "a", {}), Reading(float("nan"), 1, "b", {}), Reading(1010.0, 0, "a", {})
    clock.stamp(first, 5000.0)
    clock.stamp(other, 5003.0)
    clock.stamp(third, 5004.0)
    assert (first.time, other.time, third.time, clock.at(5006.0)) == (1000.0, 1003.0, 1010.0, 1012.0)
    # A clock of this machine that is set back lets the stream stand still.
    assert clock.at(4000.0) == 1010.0


MIXED = """
[inputs.a]
topics = ["a"]
format = "scalar"
[inputs.b]
topics = ["b"]
fields = {v = "v"}
time = "t"
[label]
input = "b"
feature = "b.v"
[assembly]
"""


@pytest.mark.parametrize("lateness", [0, 5])
def test_a_recording_of_the_past_may_begin_with_a_sensor_without_times(lateness: int) -> None:
    one = Assembly(f"{MIXED}lateness_s = {lateness}\n")
    first = sent("a", 1e9)._replace(payload=b"7")
    assert one.take(first) == []
    assert bits(one.restarted().assembler) == bits(one.assembler)
    steps = one.restarted().take(at("b", 50, 1, received_at=1e9 + 1), at("b", 60, 2, received_at=1e9 + 1))
    assert told(steps)[0] == (50.0, {"a": 7.0}, 1.0)
    assert one.counts["readings_late"] == 0


def test_without_any_time_the_arrival_starts_the_clock_after_a_while() -> None:
    one = Assembly(f"{MIXED}lateness_s = 0\n")
    assert one.assembler.tick_due == float("inf")
    one.take(sent("a", 1000.0)._replace(payload=b"7"))
    assert one.assembler.tick_due == pytest.approx(1010.002)
    one.tick(1010.5)
    [(time, x, y)] = told(one.take(at("b", 1011, 3, received_at=1011)))
    assert (time, x, y) == (1011.0, {"a": 7.0}, 3.0)


def test_two_messages_of_one_arrival_are_both_used() -> None:
    buffer, counts = ReorderBuffer(5.0, 10, [0]), Counter[str]()
    for value in (1.0, 2.0):
        assert buffer.add(Reading(7.0, 0, "t", {"v": value}), False, counts)
    assert [reading.values["v"] for reading in buffer.release(20.0, counts)] == [1.0, 2.0]


# --- Ticks and silence --------------------------------------------------------------------------------------------


def test_a_tick_releases_what_waits() -> None:
    one = Assembly(NOWCAST + "[assembly]\nlateness_s = 5\n")
    one.take(at("a", 100, 7), at("b", 101, 1, received_at=102))
    assert one.assembler.tick_due == pytest.approx(106.002)
    assert told(one.tick(106.0)) == []
    assert told(one.tick(one.assembler.tick_due + 1)) == [(101.0, {"a.v": 7.0}, 1.0)]
    assert one.assembler.tick_due == float("inf")
    assert one.counts["ticks"] == 2


def test_a_tick_makes_the_events_of_an_interval() -> None:
    one = Assembly(FORECAST + NO_WAIT + "every_s = 10\n")
    one.take(at("b", 3, 1))
    assert one.assembler.tick_due == pytest.approx(10.002)
    assert told(one.tick(10.5)) == [(20.0, {"b.v": 1.0}, None)]


def test_a_silent_input_is_reported_until_it_speaks() -> None:
    toml = NOWCAST.replace("max_age_s = 100\n", "silent_after_s = 60\n", 1) + NO_WAIT
    one = Assembly(toml)
    one.take(at("b", 0, 1))
    assert one.assembler.silent == []
    one.tick(one.assembler.tick_due + 0.5)
    assert one.assembler.silent == ["a"]
    assert (one.counts["inputs_fell_silent"], one.assembler.metrics()["inputs_silent"]) == (1, 1)
    one.take(at("a", 70, 1, received_at=70))
    assert one.assembler.silent == []


def test_bounds_hold() -> None:
    one = Assembly(
        '[inputs.a]\ntopics = ["a/{n}"]\nformat = "scalar"\n[inputs.b]\ntopics = ["b"]\nformat = "scalar"\n'
        '[label]\ninput = "b"\nfeature = "b"\n[assembly]\nfeatures_max = 3\n'
    )
    one.take(*(sent(f"a/{i}", float(i))._replace(payload=b"1") for i in range(5)))
    [row] = one.take(sent("b", 9.0)._replace(payload=b"2"))
    assert isinstance(row, Row)
    assert sorted(row.x) == ["0", "1", "2"]
    assert one.counts["features_dropped"] == 3
    assert one.take(sent("c", 9.0)) == []
    assert one.counts["messages_ignored"] == 1


def test_a_damaged_state_is_refused() -> None:
    one = Assembly(FORECAST)
    one.take(at("a", 1, 2), at("b", 2, 3), at("b", 20, 3))
    state = one.assembler.state_dict()
    assert bits(one.restarted().assembler) == bits(one.assembler)
    for damaged in (
        {**state, "content": state["content"][:-1]},
        {**state, "clock": state["clock"][:-1]},
        {**state, "clock": state["clock"] * float("nan")},
    ):
        with pytest.raises(ValueError, match=r"assembler|clock"):
            Assembly(FORECAST).assembler.load_state_dict(damaged)

"""Fusion: events of many topics, by the label, an input or an interval; ages, order, ticks and silence."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from edgedescent.assembly import Row, Unusable, baselines
from edgedescent.assembly.derived import history
from edgedescent.assembly.inputs import Reading
from edgedescent.assembly.latest import LatestValues
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


@pytest.mark.parametrize("lateness", [0, 5])
def test_a_doubled_message_that_two_inputs_read_is_used_once_by_each(lateness: int) -> None:
    one = Assembly(
        NOWCAST.replace('["b"]', '["a"]').replace("v = ", "w = ", 1) + f"[assembly]\nlateness_s = {lateness}\n"
    )
    steps: list[Step] = []
    for time in (1, 20, 40):
        message = sent("a", time, t=time, v=time)
        steps += one.take(message, message)
    assert [step.y for step in steps if isinstance(step, Row)] == [1.0, 20.0, 40.0][: 3 - (lateness > 0)]
    assert one.counts["readings_repeated"] == 6


def test_a_clock_that_runs_ahead_is_set_back() -> None:
    one = Assembly(NOWCAST + "[assembly]\nlateness_s = 5\nclock_ahead_max_s = 10\n")
    one.take(at("a", 86_500, 7, received_at=100))
    assert told(one.take(at("b", 106, 1, received_at=106), at("b", 112, 2, received_at=112), at("b", 118, 3))) == [
        (112.0, {"a.v": 7.0}, 2.0)
    ]
    assert one.assembler.metrics()["clocks_set_back"] == 1
    assert one.counts["readings_late"] == 0


@pytest.mark.parametrize("lateness", [0, 5])
def test_a_device_that_is_fast_does_not_make_others_late(lateness: int) -> None:
    one = Assembly(NOWCAST + f"[assembly]\nlateness_s = {lateness}\n")
    steps: list[Step] = []
    for i in range(100, 140):
        steps += one.take(at("a", i + 10, i, received_at=i), at("b", i, i, received_at=i + 0.5))
    assert one.counts["readings_late"] == 0
    rows = [step for step in steps if isinstance(step, Row)]
    # Its readings keep their times.
    assert [(row.time, row.x["a.v"]) for row in rows[:24]] == [(float(i), i - 10.0) for i in range(110, 134)]


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


LAGS = '[[derive]]\ntype = "Lag"\nof = ["a.v"]\nsteps = [1, 2]\n'
AHEAD = "ahead_of_others_max_s = 50\n"


def test_without_lateness_a_reading_ahead_of_all_others_waits_too() -> None:
    one = Assembly(NOWCAST + NO_WAIT + AHEAD + LAGS)
    # The last finds no value that is young enough.
    messages = [("a", 1000, 1), ("b", 1000, 2), ("a", 5000, 3), ("b", 1001, 5), ("b", 4990, 6)]
    steps = one.take(*(at(topic, time, value, received_at=1e6) for topic, time, value in messages))
    assert [(step.time, step.x["a.v"]) for step in steps if isinstance(step, Row)] == [
        (1000.0, 1.0),
        (1001.0, 1.0),
    ]
    assert bits(one.restarted().assembler) == bits(one.assembler)
    assert one.assembler.tick_due == pytest.approx(1e6 + 10.002)
    assert told(one.tick(1e6 + 11)) == []
    assert [step.x["a.v"] for step in one.take(at("b", 5001, 7, received_at=1e6 + 11)) if isinstance(step, Row)] == [
        3.0
    ]
    assert one.counts["readings_late"] == 0


@pytest.mark.parametrize("lateness", [0, 5, 60])
def test_a_clock_ahead_of_all_others_may_speak_first(lateness: int) -> None:
    one = Assembly(FORECAST + f"[assembly]\nlateness_s = {lateness}\n" + AHEAD)
    assert told(one.take(at("a", 86_402, 1, received_at=1e6))) == []
    # The machine stands still on the way, for as long as makes no difference.
    pause = max(9, lateness - 1)
    behind = [at("b", time, time, received_at=1e6 + pause) for time in (2, 8, 100)]
    one = one.restarted()
    steps = one.take(at("a", 86_403, 2, received_at=1e6 + pause), *behind)
    assert [step.time for step in steps if isinstance(step, Row)][:2] == [12.0, 18.0]
    assert one.counts["readings_late"] == 0


def test_the_second_input_starts_the_clock_where_the_first_is_behind() -> None:
    one = Assembly(NOWCAST + "[assembly]\nlateness_s = 5\n" + AHEAD)
    steps = one.take(*(at(topic, time, time, received_at=1e6) for topic, time in (("b", 2), ("a", 86_403), ("b", 8))))
    assert told(steps) == []
    assert one.counts["rows_empty"] == 1
    assert one.assembler.metrics()["clocks_held_back"] == 2


@pytest.mark.parametrize("lateness", [0, 5, 60])
def test_one_input_alone_starts_the_clock_after_a_while_and_goes_on_by_arrival(lateness: int) -> None:
    one = Assembly(FORECAST + f"[assembly]\nlateness_s = {lateness}\n" + AHEAD)
    wait = max(10, lateness)
    assert told(one.take(*(at("b", 100 + i, i, received_at=1e6 + i) for i in range(wait)))) == []
    assert one.assembler.tick_due == pytest.approx(1e6 + wait + 0.002)
    assert bits(one.restarted().assembler) == bits(one.assembler)
    assert told(one.tick(1e6 + wait - 0.01)) == []
    steps = [*one.tick(1e6 + wait + 0.01), *one.tick(1e6 + wait + lateness + 0.02)]
    assert [row[0] for row in told(steps) if row[2] is None] == [110.0 + i for i in range(wait)]
    # Without another input it is not believed.
    one.take(at("b", 86_500, 7, received_at=1e6 + 200), at("b", 310, 8, received_at=1e6 + 210))
    assert one.counts["readings_late"] == 0


@pytest.mark.parametrize("lateness", [0, 5])
def test_one_input_alone_holds_no_more_than_may_wait(lateness: int) -> None:
    one = Assembly(FORECAST + f"[assembly]\nlateness_s = {lateness}\nheld_max = 20\n" + AHEAD)
    steps = one.take(*(at("b", 100 + i, i, received_at=1e6) for i in range(200)))
    assert one.assembler.metrics()["readings_waiting"] <= 20
    assert [step.time for step in steps if isinstance(step, Row) and step.y is None][:3] == [110.0, 111.0, 112.0]
    assert one.counts["readings_late"] == 0


def test_the_only_input_with_times_is_ahead_of_no_others() -> None:
    one = Assembly(f"{MIXED}lateness_s = 0\n" + AHEAD)
    one.take(sent("a", 1e6)._replace(payload=b"7"))
    assert told(one.take(at("b", 50, 1, received_at=1e6), at("b", 500, 2, received_at=1e6))) == [
        (50.0, {"a": 7.0}, 1.0),
        (500.0, {"a": 7.0}, 2.0),
    ]


def test_more_than_may_wait_before_the_start_starts_the_clock() -> None:
    one = Assembly(f"{MIXED}lateness_s = 0\nheld_max = 3\n")
    one.take(*(sent("a", 1000.0 + i / 10)._replace(payload=b"7") for i in range(50)))
    assert one.assembler.metrics()["readings_waiting"] == 0
    assert told(one.take(at("b", 1006, 3, received_at=1006))) == [(1006.0, {"a": 7.0}, 3.0)]


def test_more_than_may_wait_is_released_early() -> None:
    one = Assembly(NOWCAST + "[assembly]\nlateness_s = 1000\nheld_max = 2\n")
    steps = one.take(at("a", 1, 7), at("b", 2, 1), at("b", 3, 2), at("b", 4, 3))
    assert told(steps) == [(2.0, {"a.v": 7.0}, 1.0)]
    assert one.counts["readings_released_early"] == 2


def test_what_has_no_time_gets_that_of_the_stream() -> None:
    clock = StreamClock([True, False], 5.0, 60.0, None)
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


def test_a_wrong_time_of_arrival_does_not_stop_the_stream() -> None:
    one = Assembly(f"{MIXED}lateness_s = 5\n".replace('time = "t"\n', ""))
    arrivals = [1.7e9, 4e9, *(1.7e9 + 10 * i for i in range(1, 20))]
    steps = one.take(*(sent("b", received_at, v=i) for i, received_at in enumerate(arrivals)))
    steps += one.take(sent("a", 1.7e9 + 200)._replace(payload=b"7"))
    steps += one.take(*(sent("b", 1.7e9 + 200 + i, v=i) for i in range(20)))
    # The time of the stream goes on from where the wrong arrival left it.
    assert [row[0] for row in told(steps)][:3] == [4e9 + 190, 4e9 + 191, 4e9 + 192]
    assert one.assembler.metrics()["arrivals_turned_back"] == 1
    assert bits(one.restarted().assembler) == bits(one.assembler)


def test_two_messages_of_one_arrival_are_both_used() -> None:
    buffer, counts = ReorderBuffer(5.0, 10, [0]), Counter[str]()
    for value in (1.0, 2.0):
        assert buffer.add(Reading(7.0, 0, "t", {"v": value}), False, counts)
    buffer.move_frontier(20.0)
    assert [buffer.pop(counts).values["v"] for _ in range(2)] == [1.0, 2.0]
    assert buffer.first() is None


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


def test_windows_without_room_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (baselines, history):
        monkeypatch.setattr(module, "ROWS_MAX", 5)
    rolling = '[[derive]]\ntype = "Rolling"\nof = ["b.v"]\nduration_s = 10\n'
    one = Assembly(FORECAST + "season_s = 20\n" + NO_WAIT + rolling)
    one.take(*(at("b", time, time) for time in range(0, 20, 4)))
    assert one.counts["rows_forgotten"] == 0
    one.take(*(at("b", time, time) for time in range(20, 40)))
    # The window and the season, each from the fifth row of a second on at the latest.
    assert one.counts["rows_forgotten"] >= 2 * 15


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


def test_how_often_a_feature_was_missing_is_counted_and_goes_on() -> None:
    latest = LatestValues([10.0], 10)
    latest.at(0.0)
    latest.update(Reading(0.0, 0, "t", {"a": 1.0, "b": None}))
    for time in (5.0, 10.0, 11.0, 12.0):
        latest.at(time)
    assert (latest.missing_share("a"), latest.missing_share("b")) == (0.5, 1.0)
    assert (latest.is_missing("a", 10.0), latest.is_missing("a", 10.5), latest.is_missing("b", 0.0)) == (
        False,
        True,
        True,
    )
    again = LatestValues([10.0], 10)
    again.restore(latest.save(), latest.save_rows())
    again.update(Reading(13.0, 0, "t", {"a": 2.0, "c": 1.0}))
    assert again.missing_share("c") is None
    again.at(13.0)
    assert [again.missing_share(name) for name in "abc"] == [0.4, 1.0, 0.0]
    # A state of before says nothing of it.
    again.restore(latest.save(), (0, []))
    assert again.missing_share("a") is None


@pytest.mark.parametrize("rows", [(3, [(0, 1)]), (3, [(0, 1), (2, 2)]), (3, [(0, 1), (-1, 0)])])
def test_counts_of_missing_values_that_cannot_be_are_refused(rows: Any) -> None:
    latest = LatestValues([10.0], 10)
    with pytest.raises(ValueError, match="counts of missing values"):
        latest.restore([("a", 0.0, 1.0, 0), ("b", 0.0, 1.0, 0)], rows)

"""Worlds of inputs: nothing is lost, and each rule that is broken on purpose is noticed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from edgedescent.assembly import ordering
from edgedescent.assembly.assembler import Assembler
from edgedescent.assembly.inputs import Reading
from edgedescent.assembly.label_join import LabelJoins
from edgedescent.assembly.latest import LatestValues
from edgedescent.assembly.ordering import ReorderBuffer, StreamClock
from edgedescent.daemon.commit import Committer
from edgedescent.engine.assembling import Assembling
from edgedescent.engine.begun import BegunMessage, Handled
from edgedescent.engine.head import Head
from edgedescent.engine.heads import Heads
from edgedescent.engine.messages import Message
from edgedescent_world import simulate

WORLDS_MAX = 60


def caught(first: int = 0) -> str:
    """The violation that the first world of inputs to notice reports."""
    for seed in range(first, first + WORLDS_MAX):
        if violation := simulate(seed, inputs=True).violation:
            return violation
    pytest.fail(f"{WORLDS_MAX} worlds noticed nothing")


def test_nothing_is_violated_and_much_happens() -> None:
    happened: Counter[str] = Counter()
    for seed in range(WORLDS_MAX):
        outcome = simulate(seed, inputs=True)
        assert outcome.violation is None, f"seed {seed}"
        happened += Counter(
            ticks=outcome.ticks, crashes=outcome.kills + outcome.power_cuts, events_learned=outcome.learned
        )
        if happened["ticks"] > 10 and happened["crashes"] > 10 and happened["events_learned"] > 50:
            return
    pytest.fail(f"too little happens in {WORLDS_MAX} worlds: {happened}")


def test_a_tick_that_is_not_journaled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Committer, "add_tick", lambda _self, _message: None)
    assert caught()


def test_readings_in_the_order_of_arrival(monkeypatch: pytest.MonkeyPatch) -> None:
    queue = SimpleNamespace(heappush=lambda heap, entry: heap.append(entry), heappop=lambda heap: heap.pop(0))
    monkeypatch.setattr(ordering, "heapq", queue)
    assert "a batch computation" in caught()


def test_late_readings_that_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    add = ReorderBuffer.add

    def lenient(self: ReorderBuffer, reading: Reading, has_time: bool, counts: Any) -> bool:
        frontier, self.frontier = self.frontier, float("-inf")
        try:
            return add(self, reading, has_time, counts)
        finally:
            self.frontier = frontier

    monkeypatch.setattr(ReorderBuffer, "add", lenient)
    assert "readings_late" in caught()


def test_a_frontier_that_runs_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    stamp = StreamClock.stamp

    def hasty(self: StreamClock, reading: Reading, received_at: float) -> None:
        stamp(self, reading, received_at)
        self.newest += 0.5

    monkeypatch.setattr(StreamClock, "stamp", hasty)
    assert "a batch computation" in caught()


def test_a_value_that_is_used_beyond_its_age(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LatestValues, "value", lambda self, name, _time, _age: self._values.get(name, (0, None, 0))[1])
    assert "a batch computation" in caught()


def test_a_forecast_that_is_learned_without_its_label(monkeypatch: pytest.MonkeyPatch) -> None:
    def hasty(self: Assembler, time: float, counts: Any) -> Iterator[Any]:
        while self._labels.next_due() < time + 10.0:
            yield from self._labels.answer_forecast(counts)

    monkeypatch.setattr(Assembler, "_until", hasty)
    assert "a batch computation" in caught()


def test_a_label_that_the_model_of_another_horizon_learns(monkeypatch: pytest.MonkeyPatch) -> None:
    put = Heads._put

    def swapped(self: Heads, heads: dict[float | None, Head]) -> None:
        put(self, heads)
        self.by_horizon = dict(zip(heads, reversed(heads.values()), strict=True))

    monkeypatch.setattr(Heads, "_put", swapped)
    violation = caught(17)
    assert "the learner" in violation
    assert "s ahead differs" in violation


def test_a_restart_that_forgets_what_waits_for_further_horizons(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LabelJoins, "restore_others", lambda _self, _state: None)
    assert "counters" in caught(17)


def test_a_restart_that_forgets_what_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Assembling, "restore", lambda _self, _state, _prefix: None)
    assert "differ" in caught() or "counters" in caught()


def test_a_message_sent_again_that_is_used_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    begin = Assembling.begin

    def begin_anew(self: Assembling, message: Message, done: Handled, counters: Counter[str]) -> BegunMessage:
        return begin(self, message, done._replace(redelivered=False), counters)

    monkeypatch.setattr(Assembling, "begin", begin_anew)
    assert "readings_repeated" in caught()

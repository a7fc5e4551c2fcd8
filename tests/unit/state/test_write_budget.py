"""What may be written to the disk, and at which pace it is."""

from __future__ import annotations

import pytest

from edgedescent.state.write_budget import DAY_S, PACE_S, SAMPLES, WriteBudget


class Meter:
    """Counts what is written; None where that is not known."""

    def __init__(self) -> None:
        self.total: int | None = 0

    def __call__(self) -> int | None:
        return self.total

    def write(self, size: int) -> None:
        assert self.total is not None
        self.total += size


def test_a_day_s_allowance_may_be_used_at_once_and_then_as_it_is_refilled() -> None:
    meter = Meter()
    budget = WriteBudget(86_400_000, meter, now=0.0)
    written, now = 0, 0.0
    while now < 3 * DAY_S:
        if budget.allows(now):
            meter.write(50_000)
            written += 50_000
        else:
            now += 10.0
            continue
        now += 1.0
    # At most a day's allowance, what was refilled, and one write.
    assert 0.99 * 4 * 86_400_000 < written <= 4 * 86_400_000 + 50_000


def test_no_more_than_a_day_s_allowance_gathers() -> None:
    meter = Meter()
    budget = WriteBudget(1000, meter, now=0.0)
    assert budget.allows(100 * DAY_S)
    assert budget.left == 1000


def test_it_can_resume_when_a_hundredth_is_left() -> None:
    meter = Meter()
    budget = WriteBudget(86_400, meter, now=0.0)
    meter.write(86_400)
    assert budget.allows(0.0)
    assert not budget.can_resume
    assert budget.allows(863.0)
    assert not budget.can_resume
    assert budget.allows(864.0)
    assert budget.can_resume


@pytest.mark.parametrize(("away_s", "left"), [(0.0, 100.0), (10.0, 110.0), (-1e6, 100.0), (1e9, 86_400.0)])
def test_what_was_left_is_refilled_while_it_is_away(away_s: float, left: float) -> None:
    assert WriteBudget(86_400, Meter(), now=5.0, left=100.0, away_s=away_s).left == left


def test_the_pace_is_that_of_the_last_hour() -> None:
    meter = Meter()
    budget = WriteBudget(10**12, meter, now=0.0)
    assert budget.per_day(0.0) == 0.0
    for minute in range(1, 181):
        meter.write(60 if minute <= 120 else 120)
        budget.allows(60.0 * minute)
    assert budget.per_day(180 * 60.0) == 2 * DAY_S
    assert budget.total == 120 * 60 + 60 * 120
    assert len(budget._samples) == SAMPLES + 1
    assert PACE_S / SAMPLES == 60


def test_a_start_is_no_pace() -> None:
    meter = Meter()
    budget = WriteBudget(10**12, meter, now=0.0)
    meter.write(60)
    paces = [budget.per_day(now) for now in (0.0, 0.1, 60.0, 120.0)]
    assert paces == [DAY_S, DAY_S, DAY_S, DAY_S / 2]


def test_what_is_not_counted_is_not_bounded() -> None:
    meter = Meter()
    meter.total = None
    budget = WriteBudget(1000, meter, now=0.0)
    assert budget.allows(1.0)
    assert budget.per_day(10.0) == budget.total == 0

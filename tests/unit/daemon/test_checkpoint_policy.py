"""When a checkpoint is worth its bytes."""

from __future__ import annotations

from edgedescent.daemon.checkpoint_policy import DAY_S, RECOVERY_S, CheckpointPolicy
from support.daemon_harness import MakeHarness, event


def a_policy(size: int = 100_000) -> CheckpointPolicy:
    policy = CheckpointPolicy(interval_s=300.0, messages_max=1000, age_max_s=DAY_S, position=0, now=0.0)
    policy.written(size, position=0, now=0.0)
    return policy


def test_nothing_new_needs_no_checkpoint() -> None:
    policy = a_policy()
    policy.journaled(10**9)
    policy.learned(10**9)
    assert not policy.is_due(0, 100 * DAY_S)


def test_the_bytes_of_a_checkpoint_must_have_been_journaled() -> None:
    policy = a_policy()
    policy.journaled(99_999)
    assert not policy.is_due(10, 80_000.0)
    policy.journaled(1)
    assert policy.is_due(10, 300.0)
    assert not policy.is_due(10, 299.0)


def test_a_slow_learner_is_worth_one_earlier() -> None:
    policy = a_policy()
    policy.learned(RECOVERY_S / 2)
    assert not policy.is_due(10, 400.0)
    policy.learned(RECOVERY_S / 2)
    assert policy.is_due(10, 400.0)
    policy.written(100_000, position=10, now=400.0)
    assert not policy.is_due(11, 1000.0)


def test_many_messages_or_a_day_need_one_in_any_case() -> None:
    policy = a_policy()
    assert not policy.is_due(999, 0.0)
    assert policy.is_due(1000, 0.0)
    assert policy.is_due(1, DAY_S)


def test_the_first_one_is_always_worth_it() -> None:
    policy = CheckpointPolicy(interval_s=300.0, messages_max=1000, age_max_s=DAY_S, position=0, now=0.0)
    assert policy.is_due(1, 300.0)


def test_a_message_a_minute_makes_few_checkpoints(make: MakeHarness) -> None:
    harness = make(learner={"type": "MLPRegressor", "replay_steps": 1}).recover()
    for minute in range(1440):
        harness.receive(event(minute))
        harness.wait(2.0)
        harness.clock.now += 58.0
    assert harness.learned == 1440
    assert harness.history.count("checkpoint") <= 3


def test_the_bound_on_age_is_kept(make: MakeHarness) -> None:
    harness = make(state={"journal_age_max_s": 1000.0, "checkpoint_interval_s": 100.0}).recover()
    for number in range(100):
        harness.receive(event(number))
        harness.wait(100.0)
    assert harness.history.count("checkpoint") >= 9

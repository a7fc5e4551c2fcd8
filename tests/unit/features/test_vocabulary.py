"""Names to rows, within a bound, as a learner drives it: one event after the other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgedescent import LinearRegressor
from edgedescent.features._vocabulary import Vocabulary
from reference.features import Vocabulary as Specified

events_of_keys = st.lists(st.lists(st.integers(0, 12).map(str), max_size=5, unique=True), max_size=60)
policies = st.sampled_from(["evict", "share"])


def learn(specified: Specified, keys: list[str], now: int) -> None:
    """The event's known keys come first, so that none has to give up its row to a new one."""
    for key in sorted(keys, key=lambda key: key not in specified.row_of):
        specified.learn(key, now)


def compare(model: LinearRegressor, specified: Specified) -> None:
    vocabulary, names = model.encoder.vocabulary, specified.keys()
    state = vocabulary.save()
    assert state["names"] == names
    assert state["stamps"].tolist() == [specified.stamp_of[name] for name in names]
    assert state["born"].tolist() == [specified.born_of[name] for name in names]
    assert state["uses"].tolist() == [specified.uses_of[name] for name in names]
    assert state["newcomers"].tolist() == [count for row in specified.newcomers.counters for count in row]
    assert state["aging"].tolist() == [specified.newcomers.n_added, specified.pressure]
    assert (vocabulary.evicted, vocabulary.shared) == (specified.evicted, specified.shared)
    assert len(vocabulary) == len(specified.row_of) <= specified.keys_max


@given(events_of_keys, st.integers(1, 6), policies)
def test_agrees_with_exact_admission(events: list[list[str]], keys_max: int, when_full: str) -> None:
    model = LinearRegressor(features_max=keys_max, when_full=when_full)
    specified = Specified(keys_max, when_full)
    for now, keys in enumerate(events):
        model.learn_one(dict.fromkeys(keys, 1.0), 1.0)
        learn(specified, keys, now)
        compare(model, specified)
        assert all(model.encoder.vocabulary.row(str(key)) == specified.row_of.get(str(key), 0) for key in range(13))


@pytest.mark.parametrize("reload_every", [0, 7])
@pytest.mark.parametrize("skew", [1, 3])
def test_a_large_table_admits_exactly_even_after_a_restart(reload_every: int, skew: int) -> None:
    model, specified = LinearRegressor(features_max=100), Specified(100, "evict")
    state = 1
    for now in range(4000):
        keys = []
        for _ in range(3 if now % 400 else 120):
            state = state * 48271 % (2**31 - 1)
            # With more skew a few names come all the time; which ones changes every 1000 events.
            keys.append(str(int((state / (2**31 - 1)) ** skew * 300) + now // 1000 * 20))
        keys = list(dict.fromkeys(keys))
        model.learn_one(dict.fromkeys(keys, 1.0), 1.0)
        learn(specified, keys, now)
        if reload_every and now % reload_every == 0:
            model.load_state_dict(model.state_dict())
    compare(model, specified)
    assert specified.evicted > 500
    assert specified.shared > 500


def test_an_event_never_evicts_its_own_features() -> None:
    model = LinearRegressor(features_max=2)
    model.learn_one({"a": 1.0, "b": 1.0}, 1.0)
    model.learn_one({"c": 1.0, "a": 1.0}, 1.0)
    assert sorted(model.encoder.vocabulary.keys()) == ["a", "c"]


def test_a_restored_vocabulary_is_checked() -> None:
    vocabulary = Vocabulary(3, "evict")
    stamps = np.array([0, 1], dtype=np.int64)
    state = {
        **vocabulary.save(),
        "names": ["a", "b"],
        "stamps": stamps,
        "born": stamps,
        "uses": np.array([1, 15], dtype=np.uint8),
    }
    vocabulary.restore(state, 2, 5, 6)
    assert (vocabulary.row("b"), vocabulary.evicted, vocabulary.shared) == (2, 5, 6)
    assert "a" in vocabulary
    assert "c" not in vocabulary
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"names": ["a", "b", "c"]}, "A vocabulary of at most 2 keys cannot take"),
        ({"names": ["a", "a"]}, "cannot take 2 keys \\(1 distinct"),
        ({"names": ["a"]}, "cannot take"),
        ({"uses": np.array([1], dtype=np.uint8)}, "cannot take"),
        ({"stamps": np.array([0, 2])}, "stamps or counts do not fit"),
        ({"uses": np.array([1, 16], dtype=np.uint8)}, "uses must be at most 15"),
        ({"aging": np.array([0, 3])}, "uses must be at most 15, and its aging"),
        ({"aging": np.array([1, 0])}, "0 counts of new names after 1 names"),
        ({"newcomers": np.zeros(9, dtype=np.uint8)}, "there must be none or 4096"),
    ]
    for change, message in wrong:
        with pytest.raises(ValueError, match=message):
            vocabulary.restore({**state, **change}, 2, 0, 0)
    assert vocabulary.keys() == ["a", "b"]


def test_bounds_and_policies_are_checked() -> None:
    with pytest.raises(ValueError, match="must be 'evict' or 'share'"):
        Vocabulary(3, "drop")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at least 2 rows"):
        Vocabulary(1, "evict")

"""Names to rows, within a bound, as a learner drives it: one event after the other."""

from __future__ import annotations

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


@given(events_of_keys, st.integers(1, 6), policies)
def test_agrees_with_exact_eviction(events: list[list[str]], keys_max: int, when_full: str) -> None:
    model = LinearRegressor(features_max=keys_max, when_full=when_full)
    specified = Specified(keys_max, when_full)
    for now, keys in enumerate(events):
        model.learn_one(dict.fromkeys(keys, 1.0), 1.0)
        learn(specified, keys, now)
        vocabulary, names = model.encoder.vocabulary, specified.keys()
        assert vocabulary.keys() == names
        assert vocabulary.save()[1].tolist() == [specified.stamp_of[name] for name in names]
        assert vocabulary.save()[2].tolist() == [specified.born_of[name] for name in names]
        assert (vocabulary.evicted, vocabulary.shared) == (specified.evicted, specified.shared)
        assert len(vocabulary) == len(specified.row_of) <= keys_max
        assert all(vocabulary.row(str(key)) == specified.row_of.get(str(key), 0) for key in range(13))


@pytest.mark.parametrize("reload_every", [0, 7])
def test_a_large_table_evicts_exactly_even_after_a_restart(reload_every: int) -> None:
    model, specified = LinearRegressor(features_max=100), Specified(100, "evict")
    state = 1
    for now in range(3000):
        keys = []
        for _ in range(3):
            state = state * 48271 % (2**31 - 1)
            keys.append(str(state % 150))
        keys = list(dict.fromkeys(keys))
        model.learn_one(dict.fromkeys(keys, 1.0), 1.0)
        learn(specified, keys, now)
        if reload_every and now % reload_every == 0:
            model.load_state_dict(model.state_dict())
    assert model.encoder.vocabulary.keys() == specified.keys()
    assert model.encoder.vocabulary.evicted == specified.evicted > 1000


def test_an_event_never_evicts_its_own_features() -> None:
    model = LinearRegressor(features_max=2)
    model.learn_one({"a": 1.0, "b": 1.0}, 1.0)
    model.learn_one({"c": 1.0, "a": 1.0}, 1.0)
    assert sorted(model.encoder.vocabulary.keys()) == ["a", "c"]


def test_a_restored_vocabulary_is_checked() -> None:
    vocabulary = Vocabulary(3, "evict")
    stamps = np.array([0, 1], dtype=np.int64)
    vocabulary.restore(["a", "b"], stamps, stamps, 5, 6)
    assert (vocabulary.row("b"), vocabulary.evicted, vocabulary.shared) == (2, 5, 6)
    assert "a" in vocabulary
    assert "c" not in vocabulary
    for keys, given_stamps in ((["a", "b", "c"], [0, 1, 2]), (["a", "a"], [0, 1]), (["a"], [0, 1])):
        given_array = np.array(given_stamps, dtype=np.int64)
        with pytest.raises(ValueError, match="A vocabulary of at most 2 keys cannot take"):
            vocabulary.restore(keys, given_array, given_array, 0, 0)
    assert vocabulary.keys() == ["a", "b"]


def test_bounds_and_policies_are_checked() -> None:
    with pytest.raises(ValueError, match="must be 'evict' or 'share'"):
        Vocabulary(3, "drop")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at least 2 rows"):
        Vocabulary(1, "evict")

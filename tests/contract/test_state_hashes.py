"""Every learner's state after a fixed stream, bit by bit: the same on every machine and from commit to commit."""

from __future__ import annotations

import json
from typing import Any

import pytest

from state_hashes import GOLDEN, N_EVENTS, digests, models, whole

EXPECTED: dict[str, str] = json.loads(GOLDEN.read_text("utf-8"))
RENEW = "If the change was meant: python tests/state_hashes.py --out tests/contract/state_hashes.json"


def test_every_learner_and_optimizer_has_a_hash() -> None:
    assert sorted(models()) == sorted(EXPECTED), RENEW


@pytest.mark.parametrize("name", sorted(models()))
def test_the_state_has_the_recorded_bits(name: str) -> None:
    make: Any = models()[name]
    assert whole(digests(make(), N_EVENTS)) == EXPECTED.get(name), RENEW


def test_one_bit_of_a_state_changes_its_hash() -> None:
    model: Any = models()["LinearRegressor/Adam"]()
    before = digests(model, 10)
    state = model.state_dict()
    state["weights"].view("i8")[-1] ^= 1
    model.load_state_dict(state)
    after = digests(model, 0)
    assert before["weights"] != after["weights"]
    assert whole(before) != whole(after)

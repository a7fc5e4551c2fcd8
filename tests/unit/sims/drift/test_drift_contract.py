"""What every drift must hold, whichever of them and whatever its course."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgedescent.config.building import build
from edgedescent.validation import parameters
from edgedescent_sims.drift import DRIFTS, Drift
from edgedescent_sims.drift.contract import check_drift
from support.drifting_streams import COURSES, EXAMPLES, example


@pytest.mark.parametrize("shape", COURSES)
@pytest.mark.parametrize("name", DRIFTS.built_in)
def test_every_drift_keeps_its_promises(name: str, shape: Any) -> None:
    check_drift(example(name, at=150, shape=shape, **COURSES[shape]))


@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_at_any_place_and_width(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(DRIFTS.built_in))
    shape = data.draw(st.sampled_from(list(COURSES)))
    course = {key: data.draw(st.integers(40, 300), label=key) for key in COURSES[shape]}
    at = data.draw(st.one_of(st.none(), st.integers(60, 300)), label="at")
    seed = data.draw(st.integers(0, 2**62), label="seed")
    check_drift(example(name, at=at, shape=shape, seed=seed, **course))


@pytest.mark.parametrize("name", DRIFTS.built_in)
def test_every_drift_is_documented(name: str) -> None:
    kind = DRIFTS[name]
    text = kind.__doc__ or ""
    assert ">>> " in text
    if name != "MarkedDrift":
        assert "::" in text
    for parameter in parameters(kind).values():
        assert parameter.meta.description, parameter.name


@pytest.mark.parametrize("name", DRIFTS.built_in)
def test_every_drift_can_be_stated_in_a_scenario_file(name: str) -> None:
    table = {"type": name, "at": 100, "shape": "gradual", "width": 50, **EXAMPLES.get(name, {})}
    as_toml = {key: list(value) if isinstance(value, tuple) else value for key, value in table.items()}
    drift = build(Drift, as_toml, "transforms[0]", registry=DRIFTS, given={"source": example(name).source})
    assert drift.marks()[0].end == 150
    for key in EXAMPLES.get(name, {}):
        assert getattr(drift, key) == table[key]

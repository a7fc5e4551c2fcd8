"""That learners of every kind, however degenerate, are exported, or refused for a reason that a person can act on."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest

from edgedescent import BPR, AutoRegressor, LinearRegressor, LogisticRegressor
from edgedescent.ensemble.members import BUDGETS
from edgedescent.errors import ExportError
from edgedescent.learners import LEARNERS
from edgedescent.snapshots.parity import check_parity
from edgedescent_onnx import OnnxAdapter
from edgedescent_onnx.adapter import GRAPHS
from support.random_learners import random_events, random_learner, teach

TOLERANCE = 1e-5
ACCEPTABLE = re.compile(r"share rows by a hash that ONNX cannot compute|There is no event to check")


@pytest.mark.rounds(quick=6, long=170)
@pytest.mark.parametrize("name", GRAPHS)
def test_they_export_or_tell_why_not(name: str, rounds: Iterable[int], chance: random.Random) -> None:
    onnx, outcomes = OnnxAdapter(), Counter[str]()
    for _ in rounds:
        learner = random_learner(chance, LEARNERS[name])
        if isinstance(learner, AutoRegressor):
            learner = learner.clone({"budget": chance.choice(tuple(BUDGETS))})
        events = random_events(chance, learner, chance.choice((1, 2, 30, 400, 2000)))
        teach(learner, events)
        # The newest that were learned, and some that come after them.
        newest = events[-100:] + random_events(chance, learner, 20)
        refusal = None
        try:
            parity = check_parity(learner, onnx, onnx.export(learner, {}), newest, tolerance=TOLERANCE)
        except ExportError as error:
            refusal = error
            outcomes[str(error)] += 1
        else:
            outcomes["exported"] += 1
            outcomes["exact to 1e-9"] += parity.max_rel_diff < 1e-9
            assert parity.holds, f"{learner}: {parity}"
        if refusal is not None:
            assert ACCEPTABLE.search(str(refusal)), f"{learner}: {refusal} {refusal.hint}"
            assert refusal.hint
    print(dict(outcomes))
    assert outcomes["exported"]


@pytest.mark.rounds(quick=2, long=60)
def test_models_of_river_are_refused_by_name(rounds: Iterable[int], chance: random.Random) -> None:
    river_models = pytest.importorskip("support.river_models", reason="River is an extra")
    for _ in rounds:
        learner, onnx = river_models.learner(chance.choice(sorted(river_models.EVERY))), OnnxAdapter()
        for make in (onnx.describe, lambda one, onnx=onnx: onnx.export(one, {})):
            with pytest.raises(ExportError, match=rf"no ONNX graph for .* {type(learner).__name__}\.") as caught:
                make(learner)
            assert "These can be exported: AutoRanker, AutoRecommender, " in caught.value.hint


@pytest.mark.parametrize("seed", range(8))
def test_what_cancels_out_is_measured_in_units_of_the_target(seed: int) -> None:
    dice, learner, onnx = random.Random(seed), LinearRegressor(), OnnxAdapter()
    events = [{"x": {"on": on}, "y": 100.0 * on} for on in (dice.random() < 0.5 for _ in range(2000))]
    teach(learner, events)
    parity = check_parity(learner, onnx, onnx.export(learner, {}), events[-500:], tolerance=TOLERANCE)
    assert parity.holds
    assert parity.max_rel_diff < 1e-14
    # Nothing but zeros in the last events does not make the unit smaller.
    off = [event for event in events if not event["y"]]
    assert check_parity(learner, onnx, onnx.export(learner, {}), off, tolerance=TOLERANCE).scale > 50.0


@pytest.mark.parametrize("score", [0.0, -1e-9, -1.0, -25.0, -37.0, -100.0, -700.0, 25.0, 37.0, 800.0, -800.0])
@pytest.mark.parametrize("kind", ["features", "ratings"])
def test_no_probability_loses_digits(score: float, kind: str) -> None:
    learner: Any = LogisticRegressor() if kind == "features" else BPR(n_factors=1)
    event: dict[str, Any] = {"x": {"on": 1.0}} if kind == "features" else {"user": "u", "item": "i"}
    teach(learner, [{"x": {"on": 1.0}, "y": 1.0}] if kind == "features" else [event])
    state = learner.state_dict()
    # The constant part of the score, or the bias of the item.
    name, row = ("weights", 0) if kind == "features" else ("item_rows", 1)
    state[name][:] = 0.0
    state[name][row, 0] = score
    learner.load_state_dict(state)
    (served,) = OnnxAdapter().predict(OnnxAdapter().export(learner, {}), [event])
    live = learner.predict_one(*event.values())
    assert served == pytest.approx(live, rel=1e-15, abs=1e-300)

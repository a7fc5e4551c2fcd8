"""Every family of River's models as a learner: saved, restored, undone, guarded and bounded."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("river", reason="River is an extra: pip install 'edgedescent[river]'")

from river import linear_model, optim, preprocessing, reco

from edgedescent.config import build, describe
from edgedescent.engine.core import Engine
from edgedescent.engine.messages import Message
from edgedescent.errors import StateError
from edgedescent.learners import Learner
from edgedescent.state import codec
from edgedescent.testing import LEARNER_CHECKS
from edgedescent.testing.learners import check_learns
from edgedescent.testing.support import bits
from edgedescent_river import RiverRecommender, RiverRegressor
from support import river_models
from support.assembly import config_of
from support.river_models import EVERY, NUMBERS, RANKERS, learner, linear, model, ratings

HALF = 200
"""Events before a model is saved, and after it: as many as a tree of River waits for before it splits."""
CONTINUE = """
import json, sys
from pathlib import Path
from support.river_models import EVERY, learner
from edgedescent.state import codec
folder = Path(sys.argv[1])
for line in sys.stdin:
    name = line.strip()
    model, events = learner(name), EVERY[name][1]()[: 2 * int(sys.argv[2])]
    model.load_state_dict(codec.decode((folder / "half").read_bytes()))
    answers = [model.predict_learn_one(*event) for event in events[len(events) // 2 :]]
    (folder / "end").write_bytes(codec.encode(model.state_dict()))
    print(json.dumps(answers), flush=True)
"""
GoOn = Callable[[str, bytes], tuple[list[float], bytes]]


@pytest.fixture(scope="module")
def go_on_elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GoOn]:
    """Continues a model from its state half-way, in another process, whose sets have another order."""
    folder = tmp_path_factory.mktemp("states")
    seed = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
    environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(river_models.__file__).parents[1])}
    command = [sys.executable, "-W", "ignore", "-c", CONTINUE, str(folder), str(HALF)]
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:

        def go_on(name: str, half: bytes) -> tuple[list[float], bytes]:
            assert process.stdin is not None
            assert process.stdout is not None
            (folder / "half").write_bytes(half)
            print(name, file=process.stdin, flush=True)
            answers = process.stdout.readline()
            assert answers, f"the other process ended with {name}"
            return json.loads(answers), (folder / "end").read_bytes()

        yield go_on
        process.communicate()


@pytest.mark.parametrize("name", EVERY)
def test_a_model_is_saved_and_goes_on_to_the_last_bit(name: str, go_on_elsewhere: GoOn) -> None:
    wrapped, events = learner(name), EVERY[name][1]()[: 2 * HALF]
    for event in events[:HALF]:
        wrapped.learn_one(*event)
    half = codec.encode(wrapped.state_dict())
    expected = [wrapped.predict_learn_one(*event) for event in events[HALF:]]
    assert len(set(expected)) > 2
    assert go_on_elsewhere(name, half) == (expected, codec.encode(wrapped.state_dict()))

    again = learner(name)
    again.load_state_dict(codec.decode(half))
    assert codec.encode(again.state_dict()) == half
    assert_predicting_leaves_every_byte(name, wrapped)


def assert_predicting_leaves_every_byte(name: str, wrapped: Any) -> None:
    stream = EVERY[name][1]
    before = bits(wrapped)
    inputs: list[Any] = [event[:-1] for event in stream()[-3:]]
    if stream is ratings:
        inputs += [("unknown", "unheard of"), ("u1", "unheard of"), ("unknown", "1")]
    else:
        x = inputs[0][0]
        inputs += [({**x, "unknown": 1.0},), (dict(list(x.items())[1:]),), ({},), ({"unknown": 1.0, "other": 2.0},)]
    for given in inputs:
        try:
            assert wrapped.predict_one(*given) == wrapped.predict_one(*given)
        except ValueError:
            # It cannot do without what is missing, and says so; that must leave no trace either.
            assert name in river_models.PARTICULAR or stream is not river_models.polls
    assert bits(wrapped) == before


@pytest.mark.parametrize("check", LEARNER_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize(
    "name",
    [
        "Adam",
        "LinearRegression",
        "BayesianLinearRegression",
        "HoeffdingAdaptiveTreeRegressor",
        "ARFRegressor",
        "KNNRegressor",
        "BaggingRegressor",
        "scalers",
        *(name for name in RANKERS if name != "RandomNormal"),
    ],
)
def test_the_contract_of_learners_holds(name: str, check: Any) -> None:
    check(learner(name))


@pytest.mark.parametrize("check", LEARNER_CHECKS, ids=lambda check: check.__name__)
def test_the_contract_holds_for_factorization_machines(check: Any) -> None:
    if check is check_learns:
        # River's raises an error for an event that has only one feature, as that check's have.
        with pytest.raises(ValueError, match="has no attribute 'item'"):
            check(learner("FMRegressor"))
    else:
        check(learner("FMRegressor"))


def test_a_description_builds_the_same_learner() -> None:
    for name in EVERY:
        wrapped = learner(name)
        again = build(Learner, json.loads(json.dumps(describe(wrapped))), "learner")
        assert type(again) is type(wrapped)
        assert bits(again) == bits(wrapped)
        # The same from River's own object, whose parameters are read off it.
        assert bits(type(wrapped)(wrapped.river)) == bits(wrapped)


class TestReadyModels:
    def test_one_gives_its_parameters(self) -> None:
        ready = preprocessing.StandardScaler() | linear_model.LinearRegression(optimizer=optim.Adam(0.02), l2=0.1)
        wrapped = RiverRegressor(ready)
        assert isinstance(wrapped.model, list)
        assert wrapped.model[0] == "preprocessing.StandardScaler"
        assert wrapped.model[1]["l2"] == 0.1
        assert build(Learner, describe(wrapped), "learner").get_params() == wrapped.get_params()

    def test_of_keeps_what_it_has_learned(self) -> None:
        ready = preprocessing.StandardScaler() | linear_model.LinearRegression()
        for x, y in river_models.polls()[:200]:
            ready.learn_one(x, y)
        wrapped, fresh = RiverRegressor.of(ready), RiverRegressor(ready)
        assert wrapped.predict_one(x) == ready.predict_one(x) != fresh.predict_one(x)
        wrapped.learn_one(x, y)
        ready.learn_one(x, y)
        assert wrapped.predict_one(x) == ready.predict_one(x)

    def test_a_recommender_too(self) -> None:
        ready = reco.BiasedMF(seed=3)
        ready.learn_one("ann", "tea", 5.0)
        assert RiverRecommender.of(ready).predict_one("ann", "tea") == ready.predict_one("ann", "tea")


class TestGuards:
    def test_what_is_absurd_never_reaches_the_model(self) -> None:
        wrapped, clean = learner("Adam"), learner("Adam")
        for n, (x, y) in enumerate(river_models.polls()[:300]):
            broken = {**x, "broken": [math.nan, math.inf, -math.inf, 1e31, None, 10**400][n % 6]}
            wrapped.learn_one(broken, y)
            wrapped.learn_one(x, [math.nan, math.inf, 1e31][n % 3])
            clean.learn_one(x, y)
        assert wrapped.river["LinearRegression"].weights == clean.river["LinearRegression"].weights
        assert wrapped.n_events == 300
        counts = {"values_skipped": 300, "targets_skipped": 300, "predictions_replaced": 0, "events_beyond_bound": 0}
        assert wrapped.counts() == counts

    def test_a_prediction_that_is_no_number_becomes_the_mean(self) -> None:
        # Without a scaler, River's machine overflows on dates.
        wrapped = RiverRegressor("facto.FMRegressor")
        targets = []
        for x, y in river_models.polls()[:100]:
            assert math.isfinite(wrapped.predict_learn_one(x, y))
            targets.append(y)
        assert wrapped.counts()["predictions_replaced"] > 50
        assert wrapped.predict_one(x) == pytest.approx(np.mean(targets), rel=1e-12)

    @pytest.mark.parametrize("x", [{"a": "text", "b": 1.0}, {"b": 1.0, "c": {"d": "text"}}])
    def test_an_event_that_river_cannot_take_is_refused(self, x: dict[str, Any]) -> None:
        wrapped = learner("Adam")
        wrapped.learn_one({"a": 1.0, "b": 2.0}, 3.0)
        before = bits(wrapped)
        for call in (lambda: wrapped.learn_one(x, 1.0), lambda: wrapped.predict_learn_one(x, 1.0)):
            with pytest.raises(ValueError, match=r"River's Pipeline cannot .* this event: TypeError"):
                call()
            assert bits(wrapped) == before

    def test_a_missing_feature_is_refused_by_name(self) -> None:
        with pytest.raises(ValueError, match=r"cannot predict this event: KeyError: '(gallup|ordinal_date)'"):
            learner("Select").predict_one({"ipsos": 1.0})

    @pytest.mark.parametrize("name", ["Adam", "ARFRegressor", "FMRegressor", "BiasedMF"])
    def test_an_event_that_fails_half_way_is_undone(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """At several distances from the last saved state, and twice in a row."""
        wrapped, clean, stream = learner(name), learner(name), EVERY[name][1]()
        for n, event in enumerate(stream[:260]):
            if n in (0, 1, 57, 58, 210):
                fail_once(type(wrapped.river), monkeypatch)
                with pytest.raises(ValueError, match=r"cannot learn this event: RuntimeError: half way"):
                    wrapped.learn_one(*event)
            assert wrapped.predict_learn_one(*event) == clean.predict_learn_one(*event)
        assert bits(wrapped) == bits(clean)

    def test_a_model_that_can_no_longer_be_saved_ends_the_daemon_with_a_word(self) -> None:
        wrapped = learner("Adam")
        wrapped.river["LinearRegression"].loss = lambda: None
        with pytest.raises(StateError, match=r"cannot be saved: `steps\['LinearRegression'\].loss` is <function"):
            wrapped.state_dict()


def fail_once(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the next event that a model of this class learns end in an error, behind all that it changes."""
    learn = kind.learn_one

    def failing(model: Any, *given: Any, **more: Any) -> None:
        monkeypatch.undo()
        learn(model, *given, **more)
        raise RuntimeError("half\nway")

    monkeypatch.setattr(kind, "learn_one", failing)


class TestBound:
    def test_a_model_that_is_too_large_learns_no_more(self, caplog: pytest.LogCaptureFixture) -> None:
        wrapped = RiverRegressor("tree.HoeffdingTreeRegressor", state_bytes_max=60_000)
        for x, y in river_models.polls():
            wrapped.predict_learn_one(x, y)
        assert 0 < wrapped.counts()["events_beyond_bound"] < 900
        assert wrapped.n_events + wrapped.n_not_learned == len(river_models.polls())
        assert len(wrapped.state_dict()["graph"]) > 60_000
        assert caplog.text.count("more than `state_bytes_max` of 60000: it learns no more") == 1

    def test_the_decision_does_not_depend_on_restarts(self) -> None:
        one = RiverRegressor("tree.HoeffdingTreeRegressor", state_bytes_max=60_000)
        two = one.clone()
        for n, (x, y) in enumerate(river_models.polls()):
            one.learn_one(x, y)
            two.learn_one(x, y)
            if n % 130 == 7:
                two = two.clone(include_attributes=True)
        assert bits(one) == bits(two)
        assert one.full == 1

    def test_it_is_looked_at_more_rarely_the_larger_it_is(self) -> None:
        wrapped = learner("AMFRegressor")
        measured = [wrapped.measured_next]
        for x, y in river_models.polls()[:500]:
            wrapped.learn_one(x, y)
            measured += [wrapped.measured_next] * (wrapped.measured_next != measured[-1])
        gaps = np.diff(measured).tolist()
        assert measured[0] == 100
        assert gaps == sorted(gaps)
        assert 100 <= gaps[0] < gaps[-1] < len(wrapped.state_dict()["graph"]) / 1000


def test_a_state_of_another_model_is_refused() -> None:
    tree, line = learner("HoeffdingTreeRegressor"), learner("LinearRegression")
    with pytest.raises(ValueError, match="The state is of River's HoeffdingTreeRegressor, not of a LinearRegression"):
        line.load_state_dict(tree.state_dict())


def test_the_graph_travels_through_a_checkpoint() -> None:
    wrapped = learner("Adam")
    state = codec.decode(codec.encode(wrapped.state_dict()))
    assert state["graph"].dtype == np.uint8
    wrapped.load_state_dict(state)


def test_parts_without_a_seed_get_the_learners() -> None:
    events = river_models.polls()[:60]
    one, two, other = (RiverRegressor(NUMBERS["ARFRegressor"], seed=seed) for seed in (1, 1, 2))
    for x, y in events:
        for wrapped in (one, two, other):
            wrapped.learn_one(x, y)
    assert bits(one) == bits(two) != bits(other)
    own = RiverRegressor(model("forest.ARFRegressor", n_models=2, seed=9), seed=1)
    assert own.river.seed == 9


def test_a_part_whose_seed_cannot_be_set_is_refused() -> None:
    with pytest.raises(ValueError, match="is another one each time it is made: a part of it has no fixed seed"):
        RiverRegressor("neighbors.KNNRegressor")


def test_linear_models_are_told_apart() -> None:
    assert bits(RiverRegressor(linear("optim.SGD"))) != bits(RiverRegressor(linear("optim.Adam")))


def test_each_horizon_has_a_copy_of_it() -> None:
    def forecasting(horizons: str) -> Engine:
        engine = config_of(
            '[inputs.meter]\ntopics = ["meter"]\nfields = {power = "P"}\n'
            f'[label]\ninput = "meter"\nfeature = "meter.power"\nhorizon_s = {horizons}\n'
            '[learner]\ntype = "RiverRegressor"\nmodel = "linear_model.LinearRegression"\n'
        ).build_engine()
        for i in range(60):
            engine.handle(Message(i + 1, 1.7e9 + 10 * i, "meter", json.dumps({"P": math.sin(i)}).encode()))
        return engine

    several = forecasting("[10, 30]")
    for horizon, head in several.heads.by_horizon.items():
        assert bits(head.learner) == bits(forecasting(str(horizon)).learner)
        assert head.counts()["events_learned"] > 50

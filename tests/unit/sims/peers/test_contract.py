"""What every peer must hold."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from edgedescent.errors import ConfigError
from edgedescent.validation import parameters
from edgedescent_sims.peers import PEERS, Peer

NAMES = PEERS.built_in
SMALL: dict[str, dict[str, Any]] = {
    "RiverARF": {"n_models": 3},
    "RiverAMF": {"n_estimators": 3},
    "SGBR": {"n_models": 3, "bag_size": 3},
}

SECOND_PROCESS = """
import json, sys, warnings
warnings.simplefilter("ignore")
from edgedescent_sims.peers import PEERS
for line in sys.stdin:
    name, options, events = json.loads(line)
    peer = PEERS[name](**options)
    print(json.dumps([peer.predict_learn_one(*event) for event in events]), flush=True)
"""
Predict = Callable[[str, list[tuple[Any, ...]]], list[float]]


@pytest.fixture(scope="module")
def predict_elsewhere() -> Iterator[Predict]:
    """Progressive predictions of a peer in another process, whose sets have another order: one for all peers."""
    with subprocess.Popen(
        [sys.executable, "-c", SECOND_PROCESS],
        env={**os.environ, "PYTHONHASHSEED": "7"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:

        def predict(name: str, stream: list[tuple[Any, ...]]) -> list[float]:
            assert process.stdin is not None
            assert process.stdout is not None
            print(json.dumps([name, SMALL.get(name, {}), stream]), file=process.stdin, flush=True)
            answers = process.stdout.readline()
            assert answers, f"the other process ended with {name}"
            predictions: list[float] = json.loads(answers)
            return predictions

        yield predict
        process.communicate()


def make(name: str, **options: Any) -> Peer:
    try:
        return PEERS.find(name, "peer")(**{**SMALL.get(name, {}), **options}).start()
    except ConfigError as error:
        if "not installed" in str(error):
            pytest.skip(str(error))
        raise


def events(peer: Peer, n_events: int = 300, *, gaps: bool = True) -> list[tuple[Any, ...]]:
    """Features with gaps, late ones and texts, or ratings of ids that come again."""
    draws = np.random.default_rng(3)
    if peer.input_kind == "ratings":
        return [
            (f"u{int(draws.integers(30))}", f"i{int(draws.integers(20))}", float(draws.integers(1, 6)))
            for _ in range(n_events)
        ]
    made: list[tuple[Any, ...]] = []
    for number in range(n_events):
        a, b, c = draws.normal(size=3).tolist()
        x: dict[str, Any] = {"a": a, "b": 10.0 + b}
        if gaps:
            x |= {"late": c} if number > 100 else {}
            x |= {"site": f"s {number % 3}:|"} if number % 4 else {}
            if number % 7 == 3:
                del x["a"]
            if number % 50 == 49:
                x = {}
        made.append((x, 2.0 * a - b + 5.0))
    return made


@pytest.mark.parametrize("name", NAMES)
class TestEveryPeer:
    def test_predictions_are_finite(self, name: str) -> None:
        peer = make(name)
        for event in events(peer):
            prediction = peer.predict_learn_one(*event)
            assert type(prediction) is float
            assert math.isfinite(prediction)
        assert peer.n_unusable_predictions == 0

    def test_it_learns_something(self, name: str) -> None:
        peer = make(name)
        stream = events(peer, gaps=False)
        before = [peer.predict_one(*event[:-1]) for event in stream[-20:]]
        for event in stream:
            peer.learn_one(*event)
        assert [peer.predict_one(*event[:-1]) for event in stream[-20:]] != before

    def test_predicting_leaves_it_as_it_is(self, name: str) -> None:
        asked, quiet = make(name), make(name)
        for number, event in enumerate(events(asked)):
            given = event[:-1]
            assert asked.predict_one(*given) == asked.predict_one(*given)
            other = ("nobody", f"nothing {number}") if asked.input_kind == "ratings" else ({"new": 1.0, "t": "x"},)
            asked.predict_one(*other)
            asked.learn_one(*event)
            quiet.learn_one(*event)
        for event in events(asked):
            assert asked.predict_one(*event[:-1]) == quiet.predict_one(*event[:-1])

    def test_instances_are_independent(self, name: str) -> None:
        one, other = make(name), make(name)
        stream = events(one, 60)
        first = [one.predict_learn_one(*event) for event in stream]
        assert [other.predict_learn_one(*event) for event in stream] == first

    def test_it_leaves_the_event_as_it_is(self, name: str) -> None:
        peer = make(name)
        for event in events(peer, 30):
            before = json.dumps(event)
            peer.predict_learn_one(*event)
            assert json.dumps(event) == before

    def test_it_is_repeatable_in_another_process(self, name: str, predict_elsewhere: Predict) -> None:
        peer = make(name)
        if not peer.is_repeatable:
            pytest.skip("it says that it is not repeatable")
        stream = events(peer)
        assert predict_elsewhere(name, stream) == [peer.predict_learn_one(*event) for event in stream]

    def test_a_label_that_cannot_be_used_is_not_learned(self, name: str) -> None:
        poisoned, clean = make(name), make(name)
        for event in events(poisoned, 60):
            for y in (math.nan, math.inf, -1e300):
                poisoned.learn_one(*event[:-1], y)
            assert poisoned.predict_learn_one(*event) == clean.predict_learn_one(*event)
        assert poisoned.n_skipped_targets == 180

    def test_its_parameters_are_described(self, name: str) -> None:
        make(name)
        for parameter in parameters(PEERS[name]).values():
            assert parameter.meta.description, parameter.name

    def test_it_predicts_something_finite_for_huge_values(self, name: str) -> None:
        peer = make(name)
        if peer.input_kind == "ratings":
            pytest.skip("ratings have no features")
        for event in events(peer, 60):
            peer.learn_one(*event)
        for value in (1e29, -1e29, math.inf, math.nan, None):
            assert math.isfinite(peer.predict_one({"a": value, "b": 1.0}))


def test_seeds_differ() -> None:
    for name in NAMES:
        if "seed" in parameters(PEERS[name]):
            one, other = make(name, seed=1), make(name, seed=2)
            stream = events(one, 300, gaps=False)
            assert [one.predict_learn_one(*e) for e in stream] != [other.predict_learn_one(*e) for e in stream], name


def test_an_unknown_name_gets_the_near_match() -> None:
    with pytest.raises(ConfigError, match="`peer` is 'LastValu'") as caught:
        PEERS.find("LastValu", "peer")
    assert caught.value.hint == "Did you mean `LastValue`?"


@pytest.mark.parametrize(
    ("name", "module", "extra"),
    [
        ("RiverLinear", "river", "river"),
        ("SGBR", "samlb", "peers"),
        ("ASML", "samlb", "peers"),
        ("VowpalWabbit", "vowpalwabbit", "peers"),
    ],
)
def test_a_library_that_is_not_installed_is_named(
    name: str, module: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for loaded in [key for key in sys.modules if key.partition(".")[0] == module]:
        monkeypatch.delitem(sys.modules, loaded)
    monkeypatch.setattr(sys, "meta_path", [Absent(module), *sys.meta_path])
    with pytest.raises(ConfigError, match=f"The peer {name} needs {module}, which is not installed") as caught:
        PEERS[name]().start()
    assert caught.value.hint == f"Install it with: pip install 'edgedescent[{extra}]'"


class Absent:
    """Importer that behaves as if a package were not installed."""

    def __init__(self, package: str) -> None:
        self.package = package

    def find_spec(self, name: str, *_: Any) -> None:
        if name.partition(".")[0] == self.package:
            raise ModuleNotFoundError(f"No module named {self.package!r}", name=self.package)

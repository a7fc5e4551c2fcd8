"""River's objects to bytes and back: exact, and nothing is called that the list does not allow."""

from __future__ import annotations

import collections
import contextlib
import functools
import math
import random
import re
import sys
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("river", reason="River is an extra: pip install 'edgedescent[river]'")

from river import compose, datasets, drift, linear_model, optim, preprocessing, stats, tree
from river.utils import VectorDict

from edgedescent_river.allowed import look_up
from edgedescent_river.object_graph import OBJECT, GraphError, decode, encode

plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=5)
keys = st.integers() | st.text(max_size=5) | st.tuples(st.text(max_size=2), st.integers())
things = st.recursive(
    plain | st.frozensets(keys, max_size=3) | st.sets(keys, max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)


def same(one: Any, two: Any) -> bool:
    """Equal in type and, for numbers, to the last bit."""
    if type(one) is not type(two):
        return False
    if isinstance(one, float):
        return (math.isnan(one) and math.isnan(two)) or (one == two and math.copysign(1, one) == math.copysign(1, two))
    if isinstance(one, list | tuple):
        return len(one) == len(two) and all(map(same, one, two))
    if isinstance(one, dict):
        return list(one) == list(two) and all(same(value, two[key]) for key, value in one.items())
    return bool(one == two)


@given(things)
def test_what_is_plain_comes_back(thing: Any) -> None:
    data = encode(thing)
    assert same(decode(data), thing)
    assert encode(decode(data)) == data


def test_the_order_of_a_set_does_not_matter() -> None:
    names = [f"name-{i}" for i in range(50)]
    assert encode(set(names)) == encode(dict.fromkeys(names[::-1]).keys() | set())


@pytest.mark.parametrize(
    "thing",
    [
        np.float64(0.1),
        np.int32(-3),
        np.array([[1.5, math.nan], [-0.0, math.inf]]),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.zeros((0, 3)),
        np.array(2.5),
        2**200,
        -(2**63) - 1,
    ],
    ids=repr,
)
def test_numbers_of_other_kinds_come_back(thing: Any) -> None:
    again = decode(encode(thing))
    assert type(again) is type(thing)
    assert again == thing if isinstance(thing, int) else again.tobytes() == thing.tobytes()
    if isinstance(thing, np.ndarray):
        assert (again.dtype, again.shape, again.flags.f_contiguous) == (
            thing.dtype,
            thing.shape,
            thing.flags.f_contiguous,
        )
        again[...] = 0.0


def test_what_is_shared_stays_shared_and_cycles_close() -> None:
    leaf: list[Any] = [1.0]
    root: dict[str, Any] = {"one": leaf, "two": [leaf, (leaf,)]}
    root["self"] = root
    again = decode(encode(root))
    assert again["one"] is again["two"][0] is again["two"][1][0]
    assert again["self"] is again


def test_a_long_chain_needs_no_deep_stack() -> None:
    chain: list[Any] = []
    for _ in range(20 * sys.getrecursionlimit()):
        chain = [chain]
    assert len(decode(encode(chain))) == 1


def test_containers_of_the_standard_library_come_back() -> None:
    thing = {
        "counter": collections.Counter("hello"),
        "ordered": collections.OrderedDict(b=1, a=2),
        "default": collections.defaultdict(float, x=1.0),
        "nested": collections.defaultdict(functools.partial(collections.defaultdict, float)),
        "deque": collections.deque([1, [2]], maxlen=3),
    }
    again = decode(encode(thing))
    assert again == thing
    assert again["deque"].maxlen == 3
    assert again["nested"]["new"]["newer"] == 0.0


def test_generators_go_on_where_they_were() -> None:
    one, two = random.Random(3), np.random.RandomState(4)
    one.gauss(0, 1), two.normal()
    again = decode(encode([one, two]))
    assert [again[0].gauss(0, 1), again[0].random()] == [one.gauss(0, 1), one.random()]
    assert (again[1].normal(size=5) == two.normal(size=5)).all()


@pytest.mark.parametrize(
    "detector", [drift.ADWIN(), drift.KSWIN(seed=1), drift.PageHinkley(), drift.binary.DDM(), drift.binary.EDDM()]
)
def test_a_drift_detector_detects_the_same(detector: Any) -> None:
    values = random.Random(5)
    for _ in range(300):
        detector.update(float(values.random() < 0.2) if "binary" in type(detector).__module__ else values.gauss(0, 1))
    again = decode(encode(detector))
    assert encode(again) == encode(detector)
    found = []
    for i in range(500):
        value = float(values.random() < 0.8) if "binary" in type(detector).__module__ else values.gauss(i / 50, 1)
        detector.update(value)
        again.update(value)
        found.append(detector.drift_detected)
        assert again.drift_detected == detector.drift_detected
    assert any(found)
    assert encode(again) == encode(detector)


STATISTICS = [
    stats.Mean(),
    stats.Var(),
    stats.EWMean(0.3),
    stats.EWVar(0.3),
    stats.Quantile(0.3),
    stats.RollingQuantile(0.3, 10),
    stats.IQR(),
    stats.RollingIQR(window_size=9),
    stats.Kurtosis(),
    stats.Skew(),
    stats.PeakToPeak(),
    stats.RollingMax(5),
    stats.Mode(),
    stats.MAD(),
]


@pytest.mark.parametrize("statistic", STATISTICS, ids=lambda s: type(s).__name__)
def test_a_statistic_comes_to_the_same(statistic: Any) -> None:
    values = random.Random(6)
    for _ in range(100):
        statistic.update(round(values.gauss(0, 1), 2))
    again = decode(encode(statistic))
    for _ in range(100):
        value = round(values.gauss(0, 1), 2)
        statistic.update(value)
        again.update(value)
        assert again.get() == statistic.get()
    assert encode(again) == encode(statistic)


class TestRefusals:
    def test_the_path_to_what_cannot_be_saved_is_named(self) -> None:
        model = preprocessing.StandardScaler() | linear_model.LinearRegression(optimizer=optim.Adam())
        model["LinearRegression"].optimizer.m = {"a": [1.0, lambda: 2.0]}
        with pytest.raises(GraphError, match=re.escape("`steps['LinearRegression'].optimizer.m['a'][1]` is <function")):
            encode(model)

    @pytest.mark.parametrize(
        "thing",
        [
            object(),
            sys,
            open,
            eval,
            type("Own", (), {})(),
            (i for i in []),
            np.array([object()]),
            {object(): 1},
            {(preprocessing.StandardScaler(),): 1},
            compose.FuncTransformer(lambda x: x),
            "\ud800",
            functools.partial(print, "a"),
        ],
    )
    def test_what_is_not_of_river_is_refused(self, thing: Any) -> None:
        with pytest.raises(GraphError):
            encode(["a", thing])

    @pytest.mark.parametrize(
        ("module", "name"),
        [
            ("os", "system"),
            ("builtins", "eval"),
            ("builtins", "exec"),
            ("builtins", "getattr"),
            ("builtins", "object"),
            ("subprocess", "Popen"),
            ("functools", "reduce"),
            ("copyreg", "__newobj__"),
            ("river.api", "base.os"),
            ("river.datasets.base", "shutil"),
            ("river.datasets.base", "request"),
            ("river.datasets.base", "request.urlopen"),
            ("river.base.base", "Base.__init__.__globals__"),
            ("river.base.base", "copy.deepcopy"),
            ("river.base.base", "inspect.os.system"),
            ("river", "no.such.thing"),
            ("river.", ""),
            ("riverside", "Thing"),
            ("edgedescent_river", "RiverAdapter"),
        ],
    )
    def test_nothing_but_what_is_listed_is_looked_up(self, module: str, name: str) -> None:
        with pytest.raises(ValueError, match="not a class or function that a saved model may hold"):
            look_up(module, name)
        for new in (True, False):
            data = msgspec.msgpack.encode([1, [[OBJECT, module, name, new, ["echo"], None, [], []]], [0, 0]])
            with pytest.raises(GraphError):
                decode(data)

    @pytest.mark.parametrize("name", ["bool", "int", "str", "list", "dict", "tuple", "float"])
    def test_what_may_be_referred_to_may_still_not_be_called(self, name: str) -> None:
        data = msgspec.msgpack.encode([1, [[OBJECT, "builtins", name, False, [], None, [], []]], [0, 0]])
        with pytest.raises(GraphError, match=f"an object of builtins.{name}"):
            decode(data)

    def test_functions_of_river_are_not_called(self) -> None:
        data = msgspec.msgpack.encode([1, [[OBJECT, "river.utils.math", "clamp", False, [1.0], None, [], []]], [0, 0]])
        with pytest.raises(GraphError, match=r"an object of river\.utils\.math\.clamp"):
            decode(data)

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"\xc1",
            msgspec.msgpack.encode(1),
            msgspec.msgpack.encode([2, [], None]),
            msgspec.msgpack.encode([1, [], [0, 0]]),
            msgspec.msgpack.encode([1, [], [0, -1]]),
            msgspec.msgpack.encode([1, [], [0, "a"]]),
            msgspec.msgpack.encode([1, [], [77]]),
            msgspec.msgpack.encode([1, [[99]], [0, 0]]),
            msgspec.msgpack.encode([1, [[]], [0, 0]]),
            msgspec.msgpack.encode([1, [[1, "key"]], [0, 0]]),
            msgspec.msgpack.encode([1, [[3, "<f8", "C", [3], b"\0" * 8]], [0, 0]]),
            msgspec.msgpack.encode([1, [[3, "<f8", "C", [-1], b"\0" * 8]], [0, 0]]),
            msgspec.msgpack.encode([1, [[3, "O", "C", [1], b"\0" * 8]], [0, 0]]),
            msgspec.msgpack.encode([1, [[5, "functools", "partial", False, [[0, 0]], None, [], []]], [0, 0]]),
        ],
    )
    def test_bytes_that_are_no_graph_are_refused(self, data: bytes) -> None:
        with pytest.raises(GraphError):
            decode(data)

    @settings(max_examples=300, deadline=None)
    @given(st.integers(0, 10**9), st.integers(0, 255))
    def test_any_damage_ends_in_a_refusal_or_an_object(self, place: int, byte: int) -> None:
        damaged = bytearray(GRAPH)
        damaged[place % len(GRAPH)] = byte
        with contextlib.suppress(GraphError):
            # Anything else that it raised would end the daemon.
            decode(bytes(damaged))


def graph() -> bytes:
    model = preprocessing.StandardScaler() | tree.HoeffdingTreeRegressor(grace_period=20)
    for x, y in datasets.TrumpApproval().take(60):
        model.learn_one(x, y)
    return encode(model)


GRAPH = graph()


def test_a_vector_of_river_comes_back() -> None:
    vector = VectorDict({"b": 0.1, "a": -0.0}, float)
    again = decode(encode(vector))
    assert list(again.items()) == list(vector.items())
    assert encode(again) == encode(vector)

"""The hash of an event's content: the same for what says the same, another one for everything else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgedescent import LinearRegressor
from edgedescent.engine.core import Engine
from edgedescent.engine.messages import Message
from edgedescent.formats import FeatureEvent, JsonFormat, RatingEvent
from edgedescent.formats._content_hash import content_hash, id_hash


def decoded(text: str | bytes) -> Any:
    json_format = JsonFormat("features", payload_bytes_max=10_000, events_per_message_max=10)
    return json_format.decode_one(text.encode() if isinstance(text, str) else text)


def hash_of(text: str) -> int:
    return content_hash(decoded(text))


# States move between machines, with these hashes in them.
EXPECTED = {
    "event": 0x8C83F186CB23C9DF,
    "rating": 0xD97146609A94FDD,
    "text": 0xEA5F0A850251AC88,
    "number": 0x19397E60ACECAD2,
}


def test_is_the_same_on_every_machine() -> None:
    event = FeatureEvent({"temp": 21.5, "on": True, "site": "north", "motor": {"rpm": [1, 2]}}, 3.25, id="a")
    assert content_hash(event) == EXPECTED["event"]
    assert content_hash(RatingEvent("ann", 7, 4.0)) == EXPECTED["rating"]
    assert id_hash("e1") == EXPECTED["text"]
    assert id_hash(1) == EXPECTED["number"]


SAME = [
    '{"id": 7, "x": {"a": 1, "b": 2.5}, "y": 3}',
    '{"x":{"b":2.5,"a":1.0},"y":3.0}',
    '{"x": {"a": true, "b": 25e-1}, "y": 3, "sent_at": "12:31"}',
    '{"x": {"a": 1, "b": 2.5, "gone": null}, "y": 3, "id": "8"}',
    '{"x": {"a": 7, "b": 2.5, "a": 1}, "y": 3}',
    '{"x": {"a": 1, "b": 2.5, "c": NaN}, "y": "3"}',
    ' {"y": 3, "x": {"a": 1, "b": 2.5}}\n',
]
OTHER = [
    '{"x": {"a": 1, "b": 2.5}, "y": 3.5}',
    '{"x": {"a": 1, "b": 2.50000001}, "y": 3}',
    '{"x": {"a": 2.5, "b": 1}, "y": 3}',
    '{"x": {"a": 1, "c": 2.5}, "y": 3}',
    '{"x": {"a": 1}, "y": 3}',
    '{"x": {"a": "1", "b": 2.5}, "y": 3}',
    '{"x": {"a": "one", "b": 2.5}, "y": 3}',
    '{"x": {"a": 1, "b": {"b": 2.5}}, "y": 3}',
    '{"x": {"a": 1, "b": [2.5]}, "y": 3}',
    '{"x": {"a": 1, "b": 2.5, "c": 0}, "y": 3}',
    '{"x": {}, "y": 3}',
    '{"x": {"a": -1, "b": 2.5}, "y": 3}',
]


def test_what_says_the_same_has_the_same_hash() -> None:
    assert len({hash_of(text) for text in SAME}) == 1
    assert hash_of('{"x": {"a": 0}, "y": 0}') == hash_of('{"x": {"a": -0.0}, "y": -0}')


def test_everything_else_has_another_one() -> None:
    assert len({hash_of(text) for text in [SAME[0], *OTHER]}) == 1 + len(OTHER)


def test_names_and_texts_of_every_length_differ() -> None:
    hashes = set()
    for n in range(40):
        for i in range(n):
            name = "a" * i + "b" + "a" * (n - i - 1)
            hashes |= {content_hash(FeatureEvent({name: 1.0}, 1.0)), content_hash(FeatureEvent({"t": name}, 1.0))}
            hashes.add(id_hash(name))
    assert len(hashes) == 3 * 40 * 39 // 2


def test_counters_and_small_changes_spread_over_all_bits() -> None:
    numbers = np.array([content_hash(FeatureEvent({"a": float(i)}, 1.0)) for i in range(4096)], dtype=np.uint64)
    ids = np.array([id_hash(i) for i in range(4096)], dtype=np.uint64)
    texts = np.array([id_hash(f"event-{i}") for i in range(4096)], dtype=np.uint64)
    for words in (numbers, ids, texts):
        set_bits = [(words >> np.uint64(bit) & np.uint64(1)).mean() for bit in range(64)]
        assert 0.45 < min(set_bits) < max(set_bits) < 0.55


def test_small_numbers_in_any_places_differ() -> None:
    grid = [(a, b) for a in range(150) for b in range(150)]
    hashes = {content_hash(FeatureEvent({"a": float(a)}, float(b))) for a, b in grid}
    hashes |= {content_hash(FeatureEvent({"sensor1": a / 10, "sensor2": b}, 1.0)) for a, b in grid}
    assert len(hashes) == 2 * len(grid)


def test_an_id_is_a_number_or_a_text() -> None:
    assert id_hash(1) != id_hash("1")
    assert id_hash(-1) != id_hash(1)
    assert id_hash(2**63) != id_hash(2**63 + 1)
    assert id_hash("") != id_hash(0)


def test_ratings_count_user_and_item_apart() -> None:
    once = content_hash(RatingEvent("ann", "tea", 4.0))
    assert once != content_hash(RatingEvent("tea", "ann", 4.0))
    assert once != content_hash(RatingEvent("ann", "tea", 5.0))
    assert content_hash(RatingEvent(7, "tea", 4.0, id=1)) == content_hash(RatingEvent(7, "tea", 4, id=2))
    assert len({content_hash(RatingEvent(user, "tea", 4.0)) for user in (7, "7", 2**63, 2**53, 2**53 + 1)}) == 5


def test_other_formats_may_give_other_numbers() -> None:
    plain = content_hash(FeatureEvent({"a": 1.5}, 2.0))
    assert content_hash(FeatureEvent({"a": np.float64(1.5)}, np.float32(2.0))) == plain  # type: ignore[arg-type]
    assert content_hash(FeatureEvent({"a": np.float32(1.5)}, 2.0)) == plain  # type: ignore[dict-item]
    assert content_hash(FeatureEvent({"a": (1, 2)}, 2.0)) == content_hash(FeatureEvent({"a": [1, 2]}, 2.0))  # type: ignore[dict-item]
    assert content_hash(FeatureEvent({"a": b"x"}, 2.0)) != content_hash(FeatureEvent({"a": b"y"}, 2.0))  # type: ignore[dict-item]
    with pytest.raises(UnicodeEncodeError):
        content_hash(FeatureEvent({"a": "\ud800"}, 2.0))


def test_deep_nests_end() -> None:
    nest: Any = 1.0
    for _ in range(50_000):
        nest = {"a": nest}
    assert content_hash(FeatureEvent({"a": nest}, 2.0)) > 0


# --- The compiled reader ----------------------------------------------------------------------------------------------


class WithoutReader(JsonFormat):
    """JSON whose events all become objects."""

    def reader(self) -> None:
        return None


def remembered(payload: bytes, engine: Engine | None = None) -> list[list[int]]:
    engine = engine or Engine(LinearRegressor())
    engine.handle(Message(engine.position + 1, 1.0, "events", payload))
    seen: list[list[int]] = engine.state_dict()["seen"].tolist()
    return seen


def engines() -> Iterator[Engine]:
    for kind in (JsonFormat, WithoutReader):
        engine = Engine(LinearRegressor(), payload_format=kind)
        # The features have rows by then, so that the reader makes no objects.
        engine.handle(Message(1, 1.0, "events", b'{"x": {"a": 1, "b": 1, "temperature": 2}, "y": 1}'))
        yield engine


numbers = st.floats(allow_nan=False, width=64) | st.integers(-(2**70), 2**70) | st.booleans()
features = st.dictionaries(st.sampled_from(["a", "b", "temperature", "new", "s" * 20]), numbers, max_size=5)


@given(st.lists(st.tuples(features, st.floats(-1e9, 1e9) | st.integers(-9, 9)), min_size=1, max_size=4))
def test_the_reader_of_json_gives_the_same_as_objects(events: list[tuple[dict[str, Any], Any]]) -> None:
    array = json.dumps([{"id": str(i), "x": x, "y": y} for i, (x, y) in enumerate(events)]).encode()
    raw, objects = (remembered(array, engine) for engine in engines())
    assert raw == objects


@pytest.mark.parametrize("n", [1, 70])
def test_a_name_that_comes_twice_is_read_as_a_decoder_does(n: int) -> None:
    more = "".join(f', "f{i}": {i}' for i in range(n))
    once = f'{{"id": "e", "x": {{"a": 2, "b": 3{more}}}, "y": 1}}'.encode()
    twice = f'{{"id": "e", "x": {{"a": 1, "b": 3, "a": 2{more}}}, "y": 1}}'.encode()
    for engine in engines():
        for _ in range(3):
            remembered(once, engine)
            assert len(remembered(twice, engine)) == 1
        assert engine.counters["duplicates.id"] == 5
        assert engine.counters["ids_reused"] == 0

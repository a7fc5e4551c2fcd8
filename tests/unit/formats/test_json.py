from __future__ import annotations

import json
import math
import tracemalloc
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgedescent.formats import REASONS, FeatureEvent, RatingEvent, Rejected
from edgedescent.formats.json import ELEMENTS_MAX, PIECE_BYTES, TARGET_MAX, JsonFormat

InputKind = Literal["features", "ratings"]
# Deeper than the stack, by which Python 3.14 limits nesting.
DEEP = 1_000_000


def decode(
    payload: bytes,
    input_kind: Literal["features", "ratings"] = "features",
    *,
    bytes_max: int = 10_000_000,
    many: int = 5,
) -> tuple[list[tuple[int, Any]], list[Rejected]]:
    pieces = [*JsonFormat(input_kind, payload_bytes_max=bytes_max, events_per_message_max=many).read(payload)]
    events: list[tuple[int, Any]] = [pair for piece in pieces for pair in piece.events]
    rejected = [fault for piece in pieces for fault in piece.rejected]
    assert all(error.reason in REASONS for _, error, _ in rejected)
    assert all("\n" not in str(error) and len(str(error)) < 300 for _, error, _ in rejected)
    return events, rejected


def refused(payload: bytes, input_kind: InputKind = "features", **limits: int) -> tuple[str, str]:
    """Reason and error of a message that is refused whole."""
    events, rejected = decode(payload, input_kind, **limits)
    assert events == []
    ((index, error, kept),) = rejected
    assert (index, kept) == (0, payload)
    return error.reason, str(error)


@pytest.mark.parametrize(
    ("payload", "event"),
    [
        (b'{"x": {"a": 1}, "y": 2}', FeatureEvent({"a": 1.0}, 2.0)),
        (b' \r\n\t{"x": {"a": 1}} \n', FeatureEvent({"a": 1.0})),
        (b'{"x": {}}', FeatureEvent({})),
        (b'{"x": {"": 1}}', FeatureEvent({"": 1.0})),
        (b'{"x": {"a": null, "b": true, "c": -1.5e2}, "y": null}', FeatureEvent({"a": None, "b": True, "c": -150.0})),
        (b'{"x": {"site": "north", "hour": 7}}', FeatureEvent({"site": "north", "hour": 7})),
        (b'{"x": {"motor": {"rpm": 900, "on": true}}}', FeatureEvent({"motor": {"rpm": 900, "on": True}})),
        (b'{"x": {}, "y": false}', FeatureEvent({}, False)),
        (b'{"x": {}, "id": 5}', FeatureEvent({}, None, 5)),
        (b'{"x": {}, "id": -0}', FeatureEvent({}, None, 0)),
        (b'{"x": {}, "id": "5"}', FeatureEvent({}, None, "5")),
        (b'{"x": {}, "id": ""}', FeatureEvent({}, None, "")),
        (b'{"x": {}, "id": null}', FeatureEvent({})),
        (b'{"x": {}, "id": 99999999999999999999999999}', FeatureEvent({}, None, 99999999999999999999999999)),
        # The last of two equal keys counts, as for most decoders of JSON.
        (b'{"x": {"a": 1, "a": 2}, "y": 1, "y": 2}', FeatureEvent({"a": 2.0}, 2.0)),
        # What a device adds for others is none of our business.
        (b'{"time": [1, {"z": 2}], "x": {"a": 1}, "y": 1}', FeatureEvent({"a": 1.0}, 1.0)),
        ('{"x": {"µ": 1}, "id": "\\u00b5"}'.encode(), FeatureEvent({"µ": 1.0}, None, "µ")),
    ],
)
def test_one_event_is_decoded(payload: bytes, event: FeatureEvent) -> None:
    assert decode(payload) == ([(0, event)], [])
    assert decode(b"\n [" + payload + b"]") == ([(0, event)], [])


def test_ids_of_users_and_items_are_text_or_integers() -> None:
    payload = b'[{"user": 1, "item": "b", "y": 4}, {"user": "", "item": 100000000000000000000000}]'
    events, rejected = decode(payload, "ratings")
    assert events == [(0, RatingEvent(1, "b", 4.0)), (1, RatingEvent("", 100000000000000000000000))]
    assert rejected == []


@pytest.mark.parametrize("payload", [b"[]", b" [ ] ", b"\n[\n]\n"])
def test_an_empty_array_holds_nothing(payload: bytes) -> None:
    assert decode(payload) == ([], [])
    (piece,) = JsonFormat("features", payload_bytes_max=100, events_per_message_max=1).read(payload)
    assert piece.is_array


@pytest.mark.parametrize(
    ("payload", "reason", "message"),
    [
        (b"", "malformed", "Input data was truncated"),
        (b" ", "malformed", "Input data was truncated"),
        (b'{"x": {"a": 1', "malformed", "Input data was truncated"),
        (b"[", "malformed", "Input data was truncated"),
        (b"[1, x", "malformed", "JSON is malformed: invalid character"),
        (b"\xff", "malformed", "JSON is malformed: invalid character"),
        (b"\x00", "malformed", "Input data was truncated"),
        (b"\x00{}", "malformed", "JSON is malformed: invalid character"),
        (b'{"x": {"a\xff": 1}}', "malformed", "JSON is malformed: a string is not UTF-8"),
        (b'{"x": {}, "id": "\xc3"}', "malformed", "JSON is malformed: a string is not UTF-8"),
        (b'{"x": {"a": NaNo}}', "malformed", "JSON is malformed: invalid character"),
        (b'{"x": {"a": Infinity1}}', "malformed", "JSON is malformed: invalid character"),
        (b'{"x": {}, NaN: 1}', "malformed", "JSON is malformed: object keys must be strings"),
        (b'{"x": NaN}', "wrong_type", "Expected `object`, got `null` - at `$.x`"),
        (b'{"x": {}} 7', "malformed", "JSON is malformed: trailing characters"),
        (b'{"x": {}, }', "malformed", "JSON is malformed: trailing comma in object"),
        (b"null", "wrong_type", "Expected `object`, got `null`"),
        (b"7", "wrong_type", "Expected `object`, got `int`"),
        (b'"x"', "wrong_type", "Expected `object`, got `str`"),
        (b'{"x": null}', "wrong_type", "Expected `object`, got `null` - at `$.x`"),
        (b'{"x": [1, 2]}', "wrong_type", "Expected `object`, got `array` - at `$.x`"),
        (b'{"x": {"a": 1, "b": 1e999}}', "out_of_range", "Number out of range - at `$.x.b`"),
        (b'{"x": {"a\\nb": 1e999}}', "out_of_range", r"Number out of range - at `$.x.'a\nb'`"),
        (b'{"x": {"a": 1e999, "a": 1}}', "out_of_range", "Number out of range - at `$.x.*`"),
        (b'{"x": {"a": 1e999}, "z"', "out_of_range", "Number out of range - at `$.x.*`"),
        (b'{"x": {}, "y": "one"}', "wrong_type", "Expected `bool | float | null`, got `str` - at `$.y`"),
        (b'{"x": {}, "y": "1e400"}', "out_of_range", "The target must lie within ±1e+100. Got inf - at `$.y`"),
        (b'{"x": {}, "y": "1", "id": 5.5}', "wrong_type", "Expected `int | str | null`, got `float` - at `$.id`"),
        (b'{"x": {}, "y": "1"', "malformed", "Input data was truncated"),
        (b'{"x": {}, "id": 5.5}', "wrong_type", "Expected `int | str | null`, got `float` - at `$.id`"),
        (b'{"x": {}, "id": true}', "wrong_type", "Expected `int | str | null`, got `bool` - at `$.id`"),
        (b"{}", "missing_field", "Object missing required field `x`"),
        (b'{"y": 1, "id": 2}', "missing_field", "Object missing required field `x`"),
        (
            b'{"temp": 1, "y": 1}',
            "missing_field",
            (
                "Object missing required field `x` - features belong into `x`, "
                'as in {"x": {"temp": 20.1}, "y": 3.2}, but it has `temp`'
            ),
        ),
        (b'{"x": {"a": 1e999}}', "out_of_range", "Number out of range - at `$.x.a`"),
        (b'{"x": {"b": 1' + b"0" * 5000 + b"}}", "out_of_range", "Integer value out of range - at `$.x.b`"),
        (b'{"x": {}, "y": 1e999}', "out_of_range", "Number out of range - at `$.y`"),
        (b'{"x": {}, "y": 1' + b"0" * 5000 + b"}", "out_of_range", "Number out of range - at `$.y`"),
        (b'{"x": {}, "id": 1' + b"0" * 5000 + b"}", "out_of_range", "Integer value out of range - at `$.id`"),
        (b'{"x": {}, "y": 1e100}', "out_of_range", "The target must lie within ±1e+100. Got 1e+100 - at `$.y`"),
        (b'{"x": {}, "y": -1e300}', "out_of_range", "The target must lie within ±1e+100. Got -1e+300 - at `$.y`"),
    ],
)
def test_an_unusable_event_tells_where_and_why(payload: bytes, reason: str, message: str) -> None:
    found, text = refused(payload)
    # Where in the bytes, is the decoder's to say.
    assert (found, text.split(" (byte")[0]) == (reason, message)


@pytest.mark.parametrize(
    ("label", "y"),
    [("3.5", 3.5), (" -2 ", -2.0), ("on", 1.0), ("False", 0.0), ("unavailable", None), ("", None), ("NaN", None)],
)
def test_a_label_may_be_a_number_as_text(label: str, y: float | None) -> None:
    features = b'{"x": {"a": NaN, "y": "2"}, "y": "%b", "id": 7}' % label.encode()
    assert decode(features) == ([(0, FeatureEvent({"a": None, "y": "2"}, y, 7))], [])
    rating = b'{"user": "3", "y": "%b", "item": 4}' % label.encode()
    assert decode(rating, "ratings") == ([(0, RatingEvent("3", 4, y))], [])
    assert decode(b"[" + features + b"," + features + b"]")[0] == [(i, decode(features)[0][0][1]) for i in (0, 1)]


def test_a_label_with_a_decimal_comma_is_a_number_where_that_is_declared() -> None:
    payload = b'{"x": {}, "y": "49,31"}'
    assert refused(payload)[0] == "wrong_type"
    decimal = JsonFormat("features", payload_bytes_max=100, events_per_message_max=1, decimal_comma=True)
    assert [piece.events for piece in decimal.read(payload)] == [[(0, FeatureEvent({}, 49.31))]]


@pytest.mark.parametrize("name", ["target", "label", "rating", "Y"])
@pytest.mark.parametrize("value", [b"1", b"2.5", b"true", b'"3"'])
def test_a_label_under_another_name_gets_a_hint(name: str, value: bytes) -> None:
    payload = b'{"x": {"a": 1}, "%b": %b}' % (name.encode(), value)
    hint = f"Object missing field `y`, which is the name of the label - `{name}` is none"
    assert refused(payload) == ("missing_field", hint)
    events, rejected = decode(b'[{"x": {"a": 1}, "y": 1}, ' + payload + b"]")
    assert [index for index, _ in events] == [0]
    assert [(index, str(error)) for index, error, _ in rejected] == [(1, hint)]
    rating = b'{"user": 1, "item": 2, "%b": %b}' % (name.encode(), value)
    assert refused(rating, "ratings") == ("missing_field", hint)


@pytest.mark.parametrize(
    "payload",
    [
        b'{"x": {"target": 1}}',
        b'{"x": {"a": 1}, "target": null}',
        b'{"x": {"a": 1}, "target": "pump"}',
        b'{"x": {"a": 1}, "note": "\\"target\\": 1"}',
        b'{"x": {"a": 1}, "target": 1, "y": 2}',
        b'{"x": {"a": 1}, "value": 1}',
    ],
)
def test_a_question_with_other_fields_is_a_question(payload: bytes) -> None:
    assert len(decode(payload)[0]) == 1


@pytest.mark.parametrize("field", ["user", "item"])
@pytest.mark.parametrize("value", [b"1.5", b"null", b"true", b"[1]", b"{}"])
def test_an_id_that_is_none_is_refused(field: str, value: bytes) -> None:
    payload = {"user": b"1", "item": b"2", field: value}
    text = b'{"user": %b, "item": %b}' % (payload["user"], payload["item"])
    reason, message = refused(text, "ratings")
    assert reason == "wrong_type"
    assert message.endswith(f"at `$.{field}`")


@pytest.mark.parametrize(
    "payload",
    [
        b"[" * DEEP + b"]" * DEEP,
        b'{"q": ' + b"[" * DEEP + b"]" * DEEP + b"}",
        b'{"q": ' * DEEP + b"1" + b"}" * DEEP,
        b"[" * DEEP,
    ],
)
def test_deep_nesting_is_refused(payload: bytes) -> None:
    reason, message = refused(payload)
    assert reason == "too_deep" or (reason, message) == ("malformed", "Input data was truncated")


def test_deep_nesting_where_a_number_belongs_is_refused() -> None:
    assert refused(b'{"x": {"a": ' + b"[" * DEEP + b"]" * DEEP + b"}}")[0] == "too_deep"
    assert refused(b'{"x": ' * DEEP)[0] == "too_deep"


def test_only_the_bad_events_of_an_array_are_refused() -> None:
    parts = [
        b'{"x": {"a": 1}, "y": 1}',
        b'{"x": {"a": 1e999}}',
        b'{ "x":3 }',
        b'{"y": 1, "id": "\\u00e9"}',
        b"7",
        b'{"x": {"a": 2}, "y": 1e200}',
        b'{"x": {"\xff": 2}}',
        b'{"x": {}, "q": ' + b"[" * DEEP + b"]" * DEEP + b"}",
        b'{"x": {"a": 3}, "y": 3}',
    ]
    events, rejected = decode(b"[" + b" , ".join(parts) + b"]", many=9)
    assert [(index, event.y) for index, event in events] == [(0, 1.0), (8, 3.0)]
    assert [(index, error.reason) for index, error, _ in rejected] == [
        (1, "out_of_range"),
        (2, "wrong_type"),
        (3, "missing_field"),
        (4, "wrong_type"),
        (5, "out_of_range"),
        (6, "malformed"),
        (7, "too_deep"),
    ]
    assert [part for _, _, part in rejected] == parts[1:8]


def test_an_array_within_an_array_is_no_event() -> None:
    events, rejected = decode(b'[[{"x": {}}], {"x": {}}]')
    assert [index for index, _ in events] == [1]
    ((index, error, part),) = rejected
    assert (index, error.reason, part) == (0, "wrong_type", b'[{"x": {}}]')


@pytest.mark.parametrize("odd", [b'{"x": {}}', b'{"x": 3}'])
def test_too_many_events_are_refused_whole(odd: bytes) -> None:
    payload = b"[" + b", ".join([b'{"x": {}}'] * 5 + [odd]) + b"]"
    assert refused(payload) == ("too_many_events", "The message has more events than the 5 that are taken.")
    events, _ = decode(payload, many=6)
    assert len(events) >= 5


def test_a_payload_that_is_too_long_is_refused_unread() -> None:
    payload = b'{"x": {"a": 1}}'
    assert refused(payload, bytes_max=14) == ("too_large", "The payload has 15 bytes; at most 14 are taken.")
    assert decode(payload, bytes_max=15)[1] == []


def test_a_large_array_comes_in_pieces_that_say_what_its_events_say_alone() -> None:
    kinds = [
        b'{"x": {"a": %d, "b": 2}, "y": 1, "id": "%d"}',
        b'{"x": {"a": %d}, "id": "%d", "y": 1e200}',
        b'{"x": {"a": 1e999, "b": %d}, "id": "%d"}',
        b'{"x": {"a": %d}, "note": "%d' + b"." * PIECE_BYTES + b'"}',
    ]
    parts = [kinds[0 if i % 7 else i % 3] % (i, i) for i in range(4000)]
    parts[500] = parts[-1] = kinds[3] % (5, 5)
    pieces = [*JsonFormat("features", payload_bytes_max=10**7, events_per_message_max=4000).read(_array(parts))]
    alone = [decode(part) for part in parts]
    assert len(pieces) > 10
    for piece in pieces:
        places = [index for index, *_ in (*piece.events, *piece.rejected)]
        assert len(places) == 1 or sum(len(parts[index]) for index in places) <= PIECE_BYTES
    assert [pair for piece in pieces for pair in piece.events] == [
        (index, event) for index, (events, _) in enumerate(alone) for _, event in events
    ]
    assert [(index, str(error), text) for piece in pieces for index, error, text in piece.rejected] == [
        (index, str(error), text) for index, (_, rejected) in enumerate(alone) for _, error, text in rejected
    ]


def test_a_large_array_without_an_end_keeps_its_events_and_tells_that_some_may_be_missing() -> None:
    parts = [b'{"x": {"a": 1}, "y": 1}'] * 9000
    events, rejected = decode(_array(parts)[:-1], many=10_000)
    assert [index for index, _ in events] == [*range(9000)]
    assert [(index, str(error), text) for index, error, text in rejected] == [
        (9000, "The array of events has no end: events may be missing.", b"")
    ]


FEATURES = b'{"x": {%b}, "y": 1, "id": "a", "time": [1, {"z": 2}]}'


def test_an_event_may_have_as_many_features_as_a_learner_takes() -> None:
    payload = FEATURES % b",".join(b'"%d":%d' % (i, i) for i in range(16_384))
    ((_, event),), rejected = decode(payload)
    assert (len(event.x), rejected) == (16_384, [])


@pytest.mark.parametrize(
    "features",
    [
        b",".join(b'"%d":%d' % (i, i) for i in range(ELEMENTS_MAX)),
        b",".join(b'"%d":{"a":1}' % i for i in range(ELEMENTS_MAX // 2)),
        b'"a":{"b":[%b]}' % b",".join([b"1"] * ELEMENTS_MAX),
        b'"a":{"b":[%b]}' % b",".join([b"[]"] * (ELEMENTS_MAX // 2)),
        b'"a":1}, "note": {"b":[%b]' % b",".join([b"[]"] * (ELEMENTS_MAX // 2)),
    ],
)
def test_an_event_that_would_take_too_much_memory_is_refused_unread(features: bytes) -> None:
    error = f"The event has more than {ELEMENTS_MAX} values, nests and arrays."
    payload = FEATURES % features
    assert refused(payload) == ("too_large", error)
    events, rejected = decode(_array([b'{"x": {}}', payload, b'{"x": {}}']))
    assert [index for index, _ in events] == [0, 2]
    assert [(index, fault.reason, text) for index, fault, text in rejected] == [(1, "too_large", payload)]


@pytest.mark.parametrize(
    "payload",
    [
        b'{"x":{%b},"y":1}' % b",".join(b'"%d":{"a":1}' % i for i in range(60_000)),
        b'{"x":{"a":{"b":[%b]}},"y":1}' % b",".join([b"1.5"] * 250_000),
        b'{"x":{%b,"bad":1e999},"y":1}' % b",".join(b'"%d":1.5' % i for i in range(16_000)),
        b"[%b]" % b",".join(b'{"x":{"a%d":1,"b%d":2},"y":1,"id":"%d"}' % (i, i, i) for i in range(10_000)),
        b"[%b]" % b",".join(b'{"x":%d}' % i for i in range(10_000)),
        b"[%b]" % b",".join([b'{"x":{"a":' + b'{"":' * 400 + b"1" + b"}" * 402] * 450),
    ],
)
def test_decoding_takes_little_more_memory_than_the_message(payload: bytes) -> None:
    json_format = JsonFormat("features", payload_bytes_max=1_048_576, events_per_message_max=10_000)
    assert 100_000 < len(payload) < 1_048_576
    tracemalloc.start()
    try:
        for _ in json_format.read(payload):
            pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # A dictionary of its elements alone would take 20 MB.
    assert peak < 3_000_000


def _array(parts: list[bytes]) -> bytes:
    return b"[" + b",".join(parts) + b"]"


@given(st.binary(max_size=200))
def test_no_bytes_raise(payload: bytes) -> None:
    for input_kind in ("features", "ratings"):
        events, rejected = decode(payload, input_kind)
        assert len(events) + len(rejected) >= (not payload.lstrip().startswith(b"["))


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_no_bytes_within_an_event_raise(name: bytes, value: bytes) -> None:
    decode(b'[{"x": {"a": 1}}, {"x": {"' + name + b'": ' + value + b"}}]")
    decode(b'{"user": "' + name + b'", "item": ' + value + b"}", "ratings")


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)
keys = st.sampled_from(["x", "y", "id", "user", "item", "z"])


@given(st.lists(values | st.dictionaries(keys, values, max_size=6), max_size=5) | st.dictionaries(keys, values))
def test_no_json_raises_and_every_event_is_accounted_for(document: Any) -> None:
    payload = json.dumps(document).encode()
    for input_kind in ("features", "ratings"):
        events, rejected = decode(payload, input_kind)
        places = sorted([index for index, _ in events] + [index for index, _, _ in rejected])
        whole = places == [0] and len(rejected) == 1
        assert whole or places == list(range(len(document) if isinstance(document, list) else 1))
        for _, event in events:
            assert event.y is None or abs(event.y) < TARGET_MAX
            if isinstance(event, FeatureEvent):
                assert all(math.isfinite(value) for value in event.x.values() if isinstance(value, float))

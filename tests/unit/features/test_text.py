"""What a text stands for, and what a learner makes of it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edgedescent import LinearRegressor
from edgedescent.features._names import split_name
from edgedescent.features._text import text_value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("21.5", 21.5),
        (" 21.5\n", 21.5),
        ("-3", -3.0),
        ("+3", 3.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("007", 7.0),
        ("1e3", 1000.0),
        ("-1.5E-3", -0.0015),
        ("ON", 1.0),
        ("off", 0.0),
        ("True", 1.0),
        ("false", 0.0),
        *((word, None) for word in ("", " ", "unavailable", "Unknown", "None", "null", "NaN", "n/a", "#N/A", "<NA>")),
        *((word, None) for word in ("nil", "undefined", "inf", "-inf", "Infinity", "-Infinity", "-nan")),
        *(
            (word, word)
            for word in ("north", "no", "NA", "nano", "once", "one", "-", ".", "e5", "1e", "1e+", "0x10", "1_000")
        ),
        *(
            (word, word)
            for word in ("49,31", "1.2.3", "21.5 °C", "21 5", "٣", "12:30", "2026-11-29", "in", "t", "9" * 65)
        ),
    ],
)
def test_a_text_is_a_number_missing_or_a_category(text: str, value: float | str | None) -> None:
    assert text_value(text) == value


def test_a_decimal_comma_is_read_where_it_is_declared() -> None:
    assert [text_value(text, True) for text in ("49,31", "-,5", "49.31", "1,2e3", "1.234,5", "1,2,3")] == [
        49.31,
        -0.5,
        49.31,
        1200.0,
        "1.234,5",
        "1,2,3",
    ]
    model, numbers = LinearRegressor(decimal_comma=True), LinearRegressor(decimal_comma=True)
    for i in range(50):
        model.learn_one({"a": f"{i},5"}, float(i))
        numbers.learn_one({"a": i + 0.5}, float(i))
    assert same(model, numbers)


@given(st.floats(allow_nan=False, allow_infinity=False))
@example(5e-324)
@example(1.7976931348623157e308)
def test_a_number_as_text_is_that_number(number: float) -> None:
    assert text_value(repr(number)) == number
    assert text_value(repr(number).replace(".", ","), True) == number


@given(st.text())
def test_any_text_is_something(text: str) -> None:
    value = text_value(text)
    assert value is None or value == text or isinstance(value, float)


def same(one: LinearRegressor, other: LinearRegressor) -> bool:
    first, second = one.state_dict(), other.state_dict()
    return all(np.array_equal(first[name], second[name]) for name in first)


TEXTS: list[tuple[Any, Any]] = [
    ("21.5", 21.5),
    ("-3", -3),
    ("ON", True),
    ("off", False),
    ("unavailable", None),
    ("", None),
    ("NaN", None),
    ("north", "north"),
    (2.5, 2.5),
]


@given(
    st.lists(
        st.tuples(st.dictionaries(st.sampled_from("abc"), st.sampled_from(TEXTS), max_size=3), st.floats(-5, 5)),
        max_size=20,
    )
)
def test_numbers_as_text_learn_what_numbers_do(stream: list[tuple[dict[str, tuple[Any, Any]], float]]) -> None:
    texts, numbers = LinearRegressor(), LinearRegressor()
    for x, y in stream:
        as_text, as_number = ({name: value[i] for name, value in x.items()} for i in (0, 1))
        assert texts.predict_one(as_text) == numbers.predict_one(as_number)
        texts.learn_one(as_text, y)
        numbers.learn_one(as_number, y)
    assert same(texts, numbers)


def test_numeric_text_that_is_a_name_belongs_to_categories() -> None:
    model = LinearRegressor(categories=("zip", "kind"))
    model.learn_one({"zip": "00501", "kind": "unknown", "temp": "21.5"}, 1.0)
    assert model.state_dict()["features"] == ["zip=00501", "kind=unknown", "temp"]


def test_a_text_beyond_all_floats_is_skipped_and_counted() -> None:
    model = LinearRegressor()
    model.learn_one({"a": "1e400", "b": "nan"}, 1.0)
    assert model.state_dict()["features"] == []
    assert model.counts()["values_skipped"] == 1


def test_a_list_becomes_features_by_place() -> None:
    lists, flat = LinearRegressor(), LinearRegressor()
    for i in range(20):
        lists.learn_one({"a": [i, [float(i), "north"], {"b": "2"}], "c": ()}, float(i))
        flat.learn_one({"a.0": i, "a.1.0": float(i), "a.1.1": "north", "a.2.b": 2.0}, float(i))
    assert same(lists, flat)
    with pytest.raises(ValueError, match="The list 'a' may have 1024 values at most"):
        lists.learn_one({"a": [1.0] * 1025}, 1.0)
    assert same(lists, flat)


ODD = st.text("a=\\#b", max_size=3)


@given(st.lists(st.tuples(ODD, st.one_of(st.none(), st.sampled_from(["", "=", "a", "\\", "a=b", "=\\"]))), unique=True))
def test_no_two_features_share_a_row(pairs: list[tuple[str, str | None]]) -> None:
    model = LinearRegressor(categories=tuple({name for name, value in pairs if value is not None}))
    seen: set[tuple[str, str | None]] = set()
    for name, value in pairs:
        if value is None and name in model.categories:
            continue
        model.learn_one({name: 1.0 if value is None else value}, 1.0)
        seen.add((name, value))
    found = [split_name(name) for name in model.state_dict()["features"]]
    assert len(found) == len(seen)
    assert set(found) == seen


def test_a_hashed_category_is_no_feature_of_that_name() -> None:
    model = LinearRegressor(hash_bits=1)
    for text in ("a", "b", "c", "d"):
        model.learn_one({"site": text, "#0": 1.0, "#1": 2.0}, 1.0)
    assert len(model.state_dict()["features"]) == 4
    assert math.isfinite(model.predict_one({"site": "a"}))


def test_arrays_keep_names_apart_too() -> None:
    rows, dicts = LinearRegressor(), LinearRegressor()
    for model in (rows, dicts):
        model.learn_one({"k": "v"}, 1.0)
    rows.learn_many([[1.0], [2.0]], [1.0, 2.0], names=["k=v"])
    for value in (1.0, 2.0):
        dicts.learn_one({"k=v": value}, value)
    assert same(rows, dicts)
    assert rows.predict_many([[1.5]], names=["k=v"])[0] == dicts.predict_one({"k=v": 1.5})

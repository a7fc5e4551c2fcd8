"""Tables of every kind are learned as the dicts of their rows are: by name, and as what their cells mean."""

from __future__ import annotations

import math
import subprocess
import sys
import warnings
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from edgedescent import AutoRegressor, LinearRegressor, LogisticRegressor, MatrixFactorization
from edgedescent.testing.support import bits

RNG = np.random.default_rng(7)
N = 60
TEMP, LOAD = RNG.normal(20.0, 5.0, N), RNG.integers(0, 50, N)
SITE = [("north", "south", "east")[i % 3] for i in range(N)]
Y = 2.0 * TEMP - LOAD + np.array([{"north": 5.0, "south": -5.0, "east": 0.0}[site] for site in SITE])
EVENTS = [{"temp": float(t), "load": int(v), "site": s} for t, v, s in zip(TEMP, LOAD, SITE, strict=True)]
COLUMNS = {"temp": TEMP, "load": LOAD, "site": SITE}


def one_by_one(events: list[dict[str, Any]] = EVENTS, **parameters: Any) -> LinearRegressor:
    model = LinearRegressor(**parameters)
    for x, y in zip(events, Y, strict=True):
        model.learn_one(x, float(y))
    return model


FRAMES: dict[str, Any] = {
    "pandas": lambda: (pd.DataFrame(COLUMNS), pd.Series(Y)),
    "pandas, nullable": lambda: (
        pd.DataFrame(COLUMNS).astype({"temp": "Float64", "load": "Int64", "site": "string"}),
        pd.Series(Y).astype("Float64"),
    ),
    "pandas, objects": lambda: (pd.DataFrame(COLUMNS).astype(object), pd.Series(Y, dtype=object)),
    "pandas, categories": lambda: (pd.DataFrame(COLUMNS).astype({"site": "category"}), Y),
    "pandas, Arrow": lambda: (
        pd.DataFrame(COLUMNS).convert_dtypes(dtype_backend="pyarrow"),
        pd.Series(Y).convert_dtypes(dtype_backend="pyarrow"),
    ),
    "polars": lambda: (pl.DataFrame(COLUMNS), pl.Series(Y)),
    "polars, categories": lambda: (
        pl.DataFrame(COLUMNS).with_columns(pl.col("site").cast(pl.Categorical)),
        pl.Series(Y),
    ),
    "pyarrow": lambda: (pa.table(COLUMNS), pa.chunked_array([Y])),
    "pyarrow, dictionary": lambda: (
        pa.table({**COLUMNS, "site": pa.array(SITE).dictionary_encode()}),
        pa.array(Y),
    ),
}


@pytest.mark.parametrize("kind", FRAMES)
def test_a_data_frame_is_learned_as_the_dicts_of_its_rows(kind: str) -> None:
    X, y = FRAMES[kind]()
    one, many = one_by_one(), LinearRegressor()
    many.learn_many(X, y)
    assert bits(many) == bits(one)
    assert many.predict_many(X).tolist() == [one.predict_one(x) for x in EVENTS]
    assert many.predict_one({"site": "north", "temp": 20.0}) == one.predict_one({"temp": 20.0, "site": "north"})


@pytest.mark.parametrize("kind", FRAMES)
def test_the_order_of_columns_does_not_matter(kind: str) -> None:
    X, y = FRAMES[kind]()
    model = LinearRegressor()
    model.learn_many(X, y)
    turned = X.select(["site", "load", "temp"]) if hasattr(X, "select") else X[["site", "load", "temp"]]
    assert model.predict_many(turned) == pytest.approx(model.predict_many(X), abs=1e-9)


def test_missing_cells_are_missing_values() -> None:
    cells: dict[str, list[Any]] = {"temp": [1.0, None, 3.0], "on": [True, None, False], "site": ["a", None, "b"]}
    one = LinearRegressor()
    for i in range(3):
        one.learn_one({name: values[i] for name, values in cells.items()}, float(i))
    frames = [
        pd.DataFrame(cells, dtype=object),
        pd.DataFrame(cells).convert_dtypes(),
        pd.DataFrame(cells).convert_dtypes(dtype_backend="pyarrow"),
        pl.DataFrame(cells),
        pa.table(cells),
    ]
    for frame in frames:
        many = LinearRegressor()
        many.learn_many(frame, [0.0, 1.0, 2.0])
        assert bits(many) == bits(one), type(frame)


ARRAYS: dict[str, Any] = {
    "read-only": lambda a: np.frombuffer(a.tobytes()).reshape(a.shape),
    "Fortran order": np.asfortranarray,
    "a view": lambda a: np.hstack([a, a])[:, : a.shape[1]],
    "float32": lambda a: a.astype(np.float32),
    "another byte order": lambda a: a.astype(">f8"),
}


@pytest.mark.parametrize("kind", ARRAYS)
def test_arrays_of_any_layout_are_learned(kind: str) -> None:
    a = np.round(RNG.normal(size=(40, 3)), 2).astype(np.float32).astype(np.float64)
    y = a @ [1.0, -2.0, 3.0]
    y.flags.writeable = False
    plain, other = LinearRegressor(), LinearRegressor()
    plain.learn_many(a, y.copy())
    other.learn_many(ARRAYS[kind](a), y)
    assert bits(other) == bits(plain)
    assert other.predict_many(ARRAYS[kind](a)).tolist() == plain.predict_many(a).tolist()


def test_memory_maps_are_learned(tmp_path: Path) -> None:
    a = RNG.normal(size=(50, 2))
    np.save(tmp_path / "a.npy", a)
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    plain, other = LinearRegressor(), LinearRegressor()
    plain.learn_many(a, a[:, 0])
    other.learn_many(mapped, mapped[:, 0])
    assert bits(other) == bits(plain)


def test_read_only_labels_and_ratings() -> None:
    y = np.array([1.0, 2.0])
    y.flags.writeable = False
    AutoRegressor(budget="tiny").with_labels(y)
    ranker = MatrixFactorization()
    ranker.learn_many(pd.Series(["ann", "bob"]), pa.chunked_array([["tea", "tea"]]), y)
    assert ranker.encoder.users.keys() == ["ann", "bob"]
    assert ranker.encoder.items.keys() == ["tea"]


def test_masked_cells_and_targets_are_missing() -> None:
    X = np.ma.masked_greater([[1, 2], [3, 900], [5, 6]], 100)
    y = np.ma.masked_equal([1.0, 2.0, 99.0], 99.0)
    plain, other = LinearRegressor(), LinearRegressor()
    plain.learn_many([[1, 2], [3, None], [5, 6]], [1.0, 2.0, math.nan])
    other.learn_many(X, y)
    assert bits(other) == bits(plain)
    assert other.n_skipped_targets == 1
    assert other.predict_many(X)[1] == other.predict_one({"x0": 3})


def test_what_pandas_writes_as_nan_is_the_value_that_it_is_in_a_dict() -> None:
    frame = pd.DataFrame({"temp": [1.0, None], "site": ["north", "south"]})
    one, many, rows = LinearRegressor(), LinearRegressor(), LinearRegressor()
    many.learn_many(frame, [1.0, 2.0])
    for i, y in enumerate([1.0, 2.0]):
        one.learn_one(frame.to_dict("records")[i], y)
        rows.learn_one(frame.iloc[i], y)
    assert bits(one) == bits(many) == bits(rows)


def test_an_array_of_texts_and_numbers() -> None:
    model = LinearRegressor()
    model.learn_many(np.array([[1.0, "north"], [2.0, "south"]], dtype=object), [1.0, 2.0], ["temp", "site"])
    assert model.encoder.vocabulary.keys() == ["temp", "site=north", "site=south"]


@pytest.mark.parametrize("dtype", ["int64", "float64", "object", "Int64"])
def test_the_integers_of_categories_are_names_in_tables_too(dtype: str) -> None:
    one = LinearRegressor(categories=("zip",))
    for code in (101, 202, 101):
        one.learn_one({"zip": code}, float(code))
    many, array = one.clone(), one.clone()
    many.learn_many(pd.DataFrame({"zip": [101, 202, 101]}).astype(dtype), [101.0, 202.0, 101.0])
    array.learn_many(
        np.array([[101], [202], [101]], dtype="f8" if dtype == "Int64" else dtype), [101, 202, 101], ["zip"]
    )
    assert bits(many) == bits(one) == bits(array)
    assert many.predict_many(pd.DataFrame({"zip": [202]})) == [one.predict_one({"zip": 202})]
    with pytest.raises(ValueError, match=r"The category 'zip' must be a string or an integer. Got 1.5"):
        many.learn_many([[1.5]], [1.0], ["zip"])


def test_a_categorical_column_of_numbers_is_refused_unless_it_is_named() -> None:
    frame = pd.DataFrame({"zip": pd.Categorical([101, 202])})
    with pytest.raises(ValueError, match=r"column 'zip' has a categorical type.*categories=\('zip',\)"):
        LinearRegressor().learn_many(frame, [1.0, 2.0])
    model = LinearRegressor(categories=("zip",))
    model.learn_many(frame, [1.0, 2.0])
    assert model.encoder.vocabulary.keys() == ["zip=101", "zip=202"]


TIMES: list[Any] = [
    pd.DataFrame({"at": pd.to_datetime(["2026-01-01"])}),
    pd.DataFrame({"at": pd.to_timedelta([3], unit="s")}),
    pl.DataFrame({"at": [datetime(2026, 1, 1)]}),
    pa.table({"at": [datetime(2026, 1, 1)]}),
]


@pytest.mark.parametrize("frame", TIMES)
def test_times_are_refused_with_the_way(frame: Any) -> None:
    model = LinearRegressor()
    with pytest.raises(ValueError, match=r"column 'at' of `X` holds times .*such as the hour"):
        model.learn_many(frame, [1.0])
    assert model.n_events == 0


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame])
def test_times_as_texts_are_warned_of_with_the_way(make: Any) -> None:
    with pytest.warns(UserWarning, match=r"column 'at' of `X` holds times as texts, .*such as the hour"):
        LinearRegressor().learn_many(make({"at": ["2026-01-01", "2026-01-02T10:00"]}), [1.0, 2.0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LinearRegressor().learn_many(make({"at": ["2026-13-01", "2026-13-02"]}), [1.0, 2.0])
        LinearRegressor().learn_many(make({"at": ["north-east", None]}), [1.0, 2.0])


@pytest.mark.parametrize("value", [datetime(2026, 1, 1), np.datetime64("2026-01-01"), pd.Timestamp(0), pd.Timedelta(3)])
def test_a_time_in_an_event_is_refused_with_the_way(value: Any) -> None:
    with pytest.raises(ValueError, match=r"The feature 'at' must be a number.*Give what matters of a time as numbers"):
        LinearRegressor().learn_one({"at": value}, 1.0)
    with pytest.raises(ValueError, match=r"number|times"):
        LinearRegressor().learn_many([[1.0]], np.array([value]))


def test_another_number_of_columns_is_refused() -> None:
    model = LinearRegressor()
    model.learn_many([[1.0, 2.0], [3.0, 4.0]], [1.0, 2.0])
    for call in (lambda: model.predict_many([[1.0]]), lambda: model.learn_many([[1.0, 2.0, 3.0]], [1.0])):
        with pytest.raises(
            ValueError, match=r"X has \d features, but LinearRegressor is expecting 2 features as input"
        ):
            call()
    copies = [model.clone(include_attributes=True), model.clone()]
    copies[1].load_state_dict(model.state_dict())
    for copy in copies:
        with pytest.raises(ValueError, match="is expecting 2 features"):
            copy.predict_many([[1.0]])


def test_columns_without_names_after_named_ones_are_refused() -> None:
    model = LinearRegressor()
    model.learn_one({"temp": 1.0}, 2.0)
    for call in (lambda: model.predict_many([[1.0]]), lambda: model.learn_many([[1.0]], [1.0])):
        with pytest.raises(ValueError, match=r"columns of X have no names, but LinearRegressor has learned .*'temp'"):
            call()
    assert model.predict_many([[1.0]], ["temp"]) == [model.predict_one({"temp": 1.0})]


def test_other_wrong_tables_are_refused() -> None:
    model = LinearRegressor()
    for X, message in (
        (pl.LazyFrame({"a": [1.0]}), "data frame in memory"),
        (pd.DataFrame([[1.0, 2.0]], columns=["a", "a"]), "distinct names"),
        (pd.Series([1.0]), "2 dimensions or a data frame"),
        ([[1j]], "Complex data not supported"),
        ([[b"north"]], "numbers or texts"),
        ([[object()]], "must hold real numbers"),
    ):
        with pytest.raises(ValueError, match=message):
            model.learn_many(X, [1.0])
    with pytest.raises(ValueError, match="`y` must be an array of 1 dimension"):
        model.learn_many([[1.0]], pd.DataFrame({"y": [1.0]}))


def test_a_series_is_an_event() -> None:
    one, other = LinearRegressor(), LinearRegressor()
    one.learn_one({"temp": 20.5, "site": "north", "load": None}, 3.0)
    other.learn_one(pd.Series({"temp": 20.5, "site": "north", "load": None}), 3.0)
    assert bits(one) == bits(other)
    assert one.predict_one(pd.Series({"temp": 20.5})) == one.predict_one({"temp": 20.5})
    with pytest.raises(TypeError, match="must be one row"):
        one.learn_one(pd.DataFrame({"temp": [20.5]}), 3.0)
    with pytest.raises(TypeError, match="must map names to numbers"):
        one.learn_one(pl.Series([20.5]), 3.0)


def test_integers_are_names() -> None:
    model = LinearRegressor()
    model.learn_one({0: 1}, 3)
    assert model.predict_one({"0": 1}) == 3.0
    assert "a feature name is neither a string nor an integer" in " ".join(LinearRegressor.__doc__.split())
    with pytest.raises(ValueError, match="name of a feature must be a string"):
        model.learn_one({1.5: 1}, 3)


def test_a_single_text_is_not_several_items() -> None:
    ranker = MatrixFactorization()
    ranker.learn_one("ann", "tea", 5.0)
    for arguments in ({"exclude": "tea"}, {"among": "tea"}):
        with pytest.raises(ValueError, match=r"must be a list of item ids\. Got the string 'tea'"):
            ranker.recommend("ann", **arguments)


@pytest.mark.parametrize(("value", "count"), [(math.nan, 1), (None, 0), (math.inf, 1), (-1e300, 1), (10**400, 1)])
def test_a_value_counts_the_same_way_in_dicts_and_tables(value: Any, count: int) -> None:
    one, many, framed = LogisticRegressor(), LogisticRegressor(), LogisticRegressor()
    one.learn_one({"a": value, "b": 1.0}, 1)
    many.learn_many([[value, 1.0]], [1], ["a", "b"])
    if value != 10**400:
        framed.learn_many(pl.DataFrame({"a": [value], "b": [1.0]}, schema={"a": pl.Float64, "b": pl.Float64}), [1])
        assert framed.counts()["values_skipped"] == count
    assert one.counts()["values_skipped"] == many.counts()["values_skipped"] == count
    assert bits(one) == bits(many)


def test_arrays_need_no_library_of_data_frames() -> None:
    code = (
        "import sys, numpy; from edgedescent import LinearRegressor; m = LinearRegressor();"
        "m.learn_many(numpy.ones((3, 2)), [1, 2, 3]); m.learn_one({'a': 1}, 2);"
        "loaded = {'narwhals', 'pandas', 'polars', 'pyarrow', 'sklearn'} & set(sys.modules); assert not loaded, loaded"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

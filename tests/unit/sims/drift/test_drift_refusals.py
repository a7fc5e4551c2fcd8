"""Drifts that name what is not there, lie behind the end or change nothing are refused before anything is read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from edgedescent.errors import ConfigError
from edgedescent_sims.drift import DRIFTS, LabelBias, SensorReplaced, SignFlip
from edgedescent_sims.sources.batch import Batch
from edgedescent_sims.sources.in_memory import InMemorySource
from support.drifting_streams import example, linear_stream, ratings_stream

REFUSED: list[tuple[str, dict[str, Any], str, str]] = [
    (
        "SignFlip",
        {"columns": ("X0",)},
        "The drift SignFlip names the column 'X0', which memory does not have.",
        "Did you mean `x0`?",
    ),
    (
        "WeightChange",
        {"columns": ("x0", "wind")},
        "The drift WeightChange names the column 'wind', which memory does not have.",
        "The columns are: x0, x1, site.",
    ),
    (
        "InteractionAppears",
        {"columns": ("x0", "sit")},
        "The drift InteractionAppears names the column 'sit', which memory does not have.",
        "Did you mean `site`?",
    ),
    (
        "SensorAppears",
        {"column": "x3"},
        "The drift SensorAppears names the column 'x3', which memory does not have.",
        "The columns are: x0, x1, site.",
    ),
    (
        "SignFlip",
        {"columns": ("site",)},
        "The drift SignFlip needs numbers, and the column 'site' of memory holds texts.",
        "",
    ),
    (
        "CovariateScale",
        {"column": "site"},
        "The drift CovariateScale needs numbers, and the column 'site' of memory holds texts.",
        "",
    ),
    (
        "CategorySwap",
        {"column": "x0"},
        "The drift CategorySwap needs texts, and the column 'x0' of memory holds numbers.",
        "For numbers there is SignFlip.",
    ),
    (
        "CategorySwap",
        {"values": ("east", "nroth")},
        "The drift CategorySwap names the value 'nroth', which 'site' does not have in the first 400 events of memory.",
        "Did you mean `north`?",
    ),
    (
        "FeatureSwap",
        {"columns": ("x0", "site")},
        "The drift FeatureSwap needs two columns of numbers or two of texts; of 'x0' and 'site' only one holds texts.",
        "",
    ),
    (
        "SensorReplaced",
        {"new_name": "x1"},
        "The drift SensorReplaced adds the column 'x1', which memory has already.",
        "",
    ),
    (
        "CovariateShift",
        {"columns": ("x0", "x0")},
        "The `columns` of CovariateShift must be different ones. Got ('x0', 'x0').",
        "",
    ),
    (
        "CategorySwap",
        {"values": ("east", "east")},
        "The `values` of CategorySwap must be different ones. Got ('east', 'east').",
        "",
    ),
    (
        "WeightChange",
        {"deltas": (1.0,)},
        "The `deltas` of WeightChange must be 2 values, one for each column. Got (1.0,).",
        "",
    ),
    (
        "CovariateShift",
        {"offsets": (1.0,)},
        "The `offsets` of CovariateShift must be 2 values, one for each column. Got (1.0,).",
        "",
    ),
    (
        "SignFlip",
        {"centers": (1.0, 2.0)},
        "The `centers` of SignFlip must be 1 values, one for each column. Got (1.0, 2.0).",
        "",
    ),
    (
        "SensorReplaced",
        {"factor": 0.0},
        "The `factor` of SensorReplaced must not be 0: the new sensor of 'x0' would not measure.",
        "For a sensor that is gone there is SensorLost.",
    ),
    (
        "LabelUnit",
        {"factor": 0.0},
        "The `factor` of LabelUnit must not be 0: all labels would be equal.",
        "",
    ),
]

# Example, what is given, and the end of "The drift ... changes nothing: ...".
IDLE: list[tuple[str, dict[str, Any], str, str]] = [
    ("WeightChange", {"deltas": (0.0, 0.0)}, "WeightChange x0, x1", "its `deltas` are 0"),
    ("InteractionAppears", {"weight": 0.0}, "InteractionAppears x0 x x1", "its `weight` is 0"),
    ("FeatureSwap", {"columns": ("x0", "x0")}, "FeatureSwap x0", "it swaps 'x0' with itself"),
    ("CategorySwap", {"values": ("east",)}, "CategorySwap site", "it has only one value to swap"),
    ("CovariateShift", {"offsets": (0.0, 0.0)}, "CovariateShift x0, x1", "its `offsets` are 0"),
    ("CovariateScale", {"factor": 1.0, "offset": 0.0}, "CovariateScale x0", "its `factor` is 1 and its `offset` 0"),
    (
        "SensorReplaced",
        {"new_name": None, "factor": 1.0},
        "SensorReplaced x0",
        "its `factor` is 1, its `offset` 0, and it has no `new_name`",
    ),
    ("LabelBias", {"offset": 0.0}, "LabelBias", "its `offset` is 0"),
    ("LabelNoise", {"std": 0.0}, "LabelNoise", "its `std` is 0"),
    ("LabelUnit", {"factor": 1.0, "offset": 0.0}, "LabelUnit", "its `factor` is 1 and its `offset` 0"),
    ("LabelDelayChange", {"delay": 0}, "LabelDelayChange", "its `delay` is 0"),
    ("TasteShift", {"users": 0.0}, "TasteShift", "its share of `users` is 0"),
    ("TasteShift", {"at": 1}, "TasteShift", "there are less than 2 items in the 1 events before it"),
    ("ItemLaunch", {"items": 0.0}, "ItemLaunch", "its share of `items` is 0"),
    ("ItemLaunch", {"share": 0.0}, "ItemLaunch", "its `share` of the events is 0"),
    ("ItemLaunch", {"suffix": ""}, "ItemLaunch", "its `suffix` is empty"),
    ("UserChurn", {"users": 0.0}, "UserChurn", "its share of `users` is 0"),
    ("UserChurn", {"suffix": ""}, "UserChurn", "its `suffix` is empty"),
    ("Fad", {"peak": 0.0}, "Fad", "its `peak` is 0"),
    ("Fad", {"at": 0}, "Fad", "there is no item in the 0 events before it"),
    ("PopularityFeedback", {"strength": 0.0}, "PopularityFeedback", "its `strength` is 0"),
    ("PopularityFeedback", {"at": 0}, "PopularityFeedback", "there is no item in the 0 events before it"),
]


@pytest.mark.parametrize(("name", "change", "message", "hint"), REFUSED)
def test_what_is_wrong_is_said_in_one_line(name: str, change: dict[str, Any], message: str, hint: str) -> None:
    drift = example(name, **{"at": 100, **change})
    for use in (drift.check, drift.marks, lambda: next(drift.batches())):
        with pytest.raises(ConfigError) as caught:
            use()
        assert (str(caught.value), caught.value.hint) == (message, hint)


@pytest.mark.parametrize(("name", "change", "label", "why"), IDLE)
def test_a_drift_that_changes_nothing_is_refused(name: str, change: dict[str, Any], label: str, why: str) -> None:
    with pytest.raises(ConfigError) as caught:
        example(name, **{"at": 100, **change}).marks()
    assert str(caught.value) == f"The drift {label} changes nothing: {why}."


@pytest.mark.parametrize("name", DRIFTS.built_in)
def test_a_drift_behind_the_end_is_refused(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        example(name, at=400).marks()
    assert str(caught.value) == f"The drift {name} at 400 lies behind the end of memory, which has 400 events."


@pytest.mark.parametrize("name", [name for name in DRIFTS.built_in if DRIFTS[name].kinds == ("ratings",)])
def test_a_drift_of_recommenders_needs_ratings(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        DRIFTS[name](linear_stream(), at=100).check()
    assert str(caught.value) == f"The drift {name} applies to ratings, and memory holds features."


def test_a_drift_of_numbers_does_not_apply_to_ratings() -> None:
    with pytest.raises(ConfigError, match="needs numbers, and the column 'item' of memory holds texts"):
        SignFlip(ratings_stream(), columns=("item",), at=100).check()


def test_labels_of_ratings_drift_too() -> None:
    assert LabelBias(ratings_stream(), offset=1.0, at=100).marks()


@pytest.mark.parametrize(
    ("course", "message"),
    [
        ({"shape": "gradual"}, "The `width` of LabelBias must be >= 1 where the shape is 'gradual'. Got 0."),
        ({"shape": "incremental"}, "The `width` of LabelBias must be >= 1 where the shape is 'incremental'. Got 0."),
        ({"shape": "blip"}, "The `width` of LabelBias must be >= 1 where the shape is 'blip'. Got 0."),
        ({"width": 5}, "The `width` of LabelBias must be 0 where the shape is 'abrupt'. Got 5."),
        (
            {"shape": "recurring", "period": 1},
            "The `period` of LabelBias must be >= 2 where the shape is 'recurring'. Got 1.",
        ),
        ({"period": 9}, "The `period` of LabelBias must be 0 where the shape is 'abrupt'. Got 9."),
        (
            {"shape": "sudden"},
            (
                "The `shape` of LabelBias must be one of 'abrupt', 'gradual', 'incremental', 'recurring', 'blip'. "
                "Got 'sudden'."
            ),
        ),
        ({"at": -1}, "The `at` of LabelBias must be an integer >= 0. Got -1."),
    ],
)
def test_impossible_courses_are_refused(course: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message is compared
        LabelBias(linear_stream(), offset=1.0, **course)
    assert str(caught.value) == message


def test_a_scale_that_cannot_be_estimated_has_to_be_given() -> None:
    stream = InMemorySource(Batch.of({"x": np.ones(9), "gone": np.full(9, np.nan)}, np.zeros(9)))
    kind = DRIFTS["WeightChange"]
    with pytest.raises(ConfigError) as caught:
        kind(stream, columns=("x",), deltas=(1.0,), at=3).check()  # type: ignore[call-arg]
    assert str(caught.value) == (
        "The drift WeightChange needs the scale of 'x', which is constant in the first 9 events of memory."
    )
    assert caught.value.hint == "Give its `scales`."
    with pytest.raises(ConfigError) as caught:
        kind(stream, columns=("gone",), deltas=(1.0,), at=3).check()  # type: ignore[call-arg]
    assert str(caught.value) == (
        "The drift WeightChange needs the centers of 'gone', which has no value in the first 9 events of memory."
    )
    with pytest.raises(ConfigError, match="'gone' has no value in the first 9 events"):
        DRIFTS["SensorLost"](stream, column="gone", at=3).check()  # type: ignore[call-arg]


class Endless(InMemorySource):
    """A stream of unknown length."""

    def length(self) -> None:
        return None

    def batches(self) -> Iterator[Batch]:
        return iter([self.batch])


def test_a_stream_of_unknown_length_needs_positions() -> None:
    stream = Endless(Batch.of({"x": np.arange(9.0)}, np.zeros(9)))
    with pytest.raises(ConfigError) as caught:
        LabelBias(stream, offset=1.0).marks()
    assert str(caught.value) == "The drift LabelBias has no position, and the length of memory is unknown."
    assert len(LabelBias(stream, offset=1.0, at=5).marks()) == 1
    with pytest.raises(ConfigError, match="The recurring drift LabelBias needs the length of memory"):
        LabelBias(stream, offset=1.0, at=5, shape="recurring", period=2).marks()
    assert len(list(SensorReplaced(stream, column="x", factor=2.0, at=5).batches())) == 1


def test_a_stream_without_events_is_refused() -> None:
    stream = Endless(Batch.of({"x": np.empty(0)}, np.empty(0)))
    with pytest.raises(ConfigError, match="memory has no events, so nothing can drift in it"):
        SignFlip(stream, columns=("x",), at=5).check()


def test_an_unknown_drift_gets_the_nearest_name() -> None:
    with pytest.raises(ConfigError) as caught:
        DRIFTS.find("SingFlip", "drift.type")
    assert caught.value.hint == "Did you mean `SignFlip`?"

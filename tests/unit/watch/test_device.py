"""What is known of a device follows from the messages of its daemon, whatever else is sent to its topics."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from edgedescent.config.templates import AnswerTemplate
from edgedescent.engine.messages import Prediction
from edgedescent.watch.device import ANSWERS_MAX, DeviceModel
from edgedescent.watch.picture import Picture
from edgedescent.watch.tables import tables
from edgedescent.watch.text import text

FEATURE = {"feature": "meter.power", "input": "meter", "value": 5.0, "age_s": 2.0, "missing": False}
ALARM = {
    "number": 1,
    "position": 9,
    "time": 1767607200.0,
    "detector": "ADWIN",
    "watched": "input",
    "input": "temp",
    "before": 1.0,
    "after": 2.0,
    "since": 7,
    "event": 9,
}


class Watched:
    """A model that is told what a daemon publishes, at times that the test chooses."""

    def __init__(self) -> None:
        self.now = 100.0
        self.model = DeviceModel(
            "pump", status="status", metrics="metrics", predictions="predictions", interval_s=10.0, now=self.now
        )
        self.model.set_connection(None, self.now)

    def take(self, topic: str, content: object) -> None:
        payload = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.model.take(topic, payload, self.now)

    @property
    def picture(self) -> Picture:
        return self.model.picture(self.now)

    def table(self, name: str) -> list[tuple[str, ...]]:
        return [*tables(self.picture)[name].rows]


@pytest.fixture
def watched() -> Watched:
    return Watched()


def test_a_report_becomes_a_picture(watched: Watched) -> None:
    watched.take("status", {"state": "online", "since": 1767607200.0, "version": "0.2.0"})
    silent = {**FEATURE, "feature": "door", "input": "door", "value": None, "missing": True, "missing_share": 0.25}
    watched.take(
        "metrics",
        {
            "messages": 9,
            "seconds_behind": 1.5,
            "memory_bytes": 2**20,
            "dead_letters": 2,
            "drift_alarms": 1,
            "mae": 2.0,
            "mae_last_value": 4.0,
            "mae_recent": 1.0,
            "mae_last_value_recent": 0.5,
            "state": "online",
            "dead_letters.late": 2,
            "r2": None,
            "drift_newest": [ALARM],
            "busy": 0.25,
            "dead_letters_newest": [{"received_at": 1.0, "topic": "t", "reason": "late", "error": "too late"}],
            "inputs": {"features": [{**FEATURE, "missing_share": 0.0}, silent], "left_out": 3, "silent": ["door"]},
        },
    )
    watched.now += 4.0
    picture = watched.picture
    assert (picture.daemon.state, picture.daemon.reported_s, picture.daemon.problem) == ("online", 4.0, "")
    assert picture.inputs is not None
    # Nothing has come since, as far as is known.
    assert [one.age_s for one in picture.inputs.features] == [6.0, 6.0]
    assert watched.table("inputs") == [
        ("meter.power", "5", "6 s", "0.0%"),
        ("door", "gap", "6 s missing silent", "25.0%"),
        ("and 3 more", "", "", ""),
    ]
    assert tables(picture)["inputs"].marked == {1}
    assert watched.table("errors") == [
        ("error, recent", "1", "last label", "0.5", "2.00"),
        ("error", "2", "last label", "4", "0.50"),
    ]
    assert tables(picture)["errors"].marked == {0}
    assert picture.dead_letters.reasons == {"late": 2}
    assert [row[0] for row in watched.table("dead_letters")] == ["late", "late"]
    assert watched.table("drift")[0][1:] == ("temp", "1 to 2", "since event 7")
    assert ("memory", "1.0 MiB") in watched.table("numbers")
    assert watched.table("waiting") == [("behind", "1.5 s")]
    assert "Silent inputs: door." in text(picture)
    assert msgspec.json.decode(msgspec.json.encode(picture), type=Picture) == picture


def test_forecasts_are_compared_with_what_was_known_at_the_prediction(watched: Watched) -> None:
    forecasts = {"forecast_mae_beside_last_value": 3.0, "forecast_mae_last_value": 6.0}
    watched.take("metrics", {**forecasts, "mae": 3.5, "mae_last_value": 0.1, "mae_mean": 7.0})
    assert [row[2:] for row in watched.table("errors")] == [
        ("value at the prediction", "6", "0.50"),
        ("mean of the labels", "7", "0.50"),
    ]


def test_each_horizon_has_its_errors_and_answers(watched: Watched) -> None:
    scores = {"forecast_mae_beside_last_value": 1.0, "forecast_mae_last_value": 2.0, "rmse": 1.5}
    watched.take("metrics", {"horizons": {"3600": scores, "60.5": {**scores, "rmse": 0.5}}})
    watched.take(
        "predictions", [{"prediction": 1.0, "time": 0.0, "horizon_s": one, "key": "a"} for one in (60.5, 3600)]
    )
    assert [row[:3] for row in watched.table("errors")] == [
        ("error, 60 min ahead", "1", "value at the prediction"),
        ("error, 60 s ahead", "1", "value at the prediction"),
        ("horizons.3600.rmse", "1.5", ""),
        ("horizons.60.5.rmse", "0.5", ""),
    ]
    assert [about.partition(", ")[2] for about, *_ in watched.table("answers")] == ["60 min ahead", "60 s ahead"]


def test_lists_are_compared_with_popularity_where_more_is_better(watched: Watched) -> None:
    watched.take("metrics", {"hit_rate_at_k": 0.2, "hit_rate_at_k_popularity": 0.25, "lists_scored": 90})
    assert watched.table("errors")[0] == ("hit rate", "0.2", "popularity", "0.25", "0.80")
    assert tables(watched.picture)["errors"].marked == {0}
    watched.take("metrics", {"hit_rate_at_k": 0.5, "hit_rate_at_k_popularity": 0.25})
    assert tables(watched.picture)["errors"].marked == frozenset()


def test_an_answer_with_its_label_takes_the_place_of_the_one_before(watched: Watched) -> None:
    for answer in (
        {"prediction": 1.0, "time": 60.0},
        {"prediction": 2.0, "time": 120.0, "low": 1.0, "high": 3.0},
        [{"prediction": 1.0, "time": 60.0, "y": 1.5}],
    ):
        watched.take("predictions", answer)
    assert [(one.time, one.y) for one in watched.picture.answers] == [(120.0, None), (60.0, 1.5)]
    assert [row[1:] for row in watched.table("answers")] == [("2", "", "", "1 to 3"), ("1", "1.5", "-0.5", "")]


def test_the_newest_answers_are_kept_with_and_without_ids(watched: Watched) -> None:
    watched.take("predictions", [{"prediction": float(n)} for n in range(3 * ANSWERS_MAX)])
    watched.take("predictions", {"prediction": -1.0, "id": "last"})
    answers = watched.picture.answers
    assert [one.prediction for one in answers[:3]] == [-1.0, 3 * ANSWERS_MAX - 1.0, 3 * ANSWERS_MAX - 2.0]
    assert len(answers) == ANSWERS_MAX


@pytest.mark.parametrize(
    ("payload", "note"),
    [
        ('{"v": {prediction}, "of": ["{key}"], "at": "{time:iso}"}', ""),
        ("v={prediction}", "predictions.payload is no JSON"),
    ],
)
def test_answers_by_template_are_read_where_they_are_json(payload: str, note: str) -> None:
    template = AnswerTemplate("f/{key}", payload, "pump")
    model = DeviceModel("pump", status="s", metrics="m", predictions="p", interval_s=1.0, now=0.0, template=template)
    answer = Prediction(1.5, key="press", time=60.0)
    ((topic, content),) = template.render(msgspec.json.encode(answer))
    model.take(topic, content, 0.0)
    model.take("f/other/level", content, 0.0)
    assert model.picture(0.0).answers == ((answer,) if not note else ())
    assert model.picture(0.0).answers_note.startswith(note)
    model.take(topic, b"{", 0.0)
    assert model.picture(0.0).unreadable == (0 if note else 1)


@pytest.mark.parametrize(
    ("topic", "content"),
    [
        ("status", b"\xff"),
        ("status", {"state": 5}),
        ("metrics", b"[" * 100_000),
        ("metrics", [1]),
        ("metrics", {"inputs": {"features": [{"feature": 1}]}}),
        ("metrics", {"dead_letters_newest": [{"topic": "t"}]}),
        ("metrics", {"drift_newest": "x"}),
        ("predictions", {"prediction": "high"}),
        ("predictions", {}),
        ("predictions", b"21.5"),
    ],
)
def test_what_no_daemon_writes_is_counted_and_changes_nothing(watched: Watched, topic: str, content: object) -> None:
    watched.take("metrics", {"messages": 7})
    before = watched.picture
    watched.take(topic, content)
    assert watched.picture == msgspec.structs.replace(before, unreadable=1)
    assert "1 messages on the daemon's topics were not its own." in text(watched.picture)


def test_numbers_that_are_none_are_left_out(watched: Watched) -> None:
    watched.take("metrics", {"messages": True, "position": "7", "memory_bytes": None, "mae": 1.0, "mae_mean": "x"})
    assert watched.picture.numbers == {}
    assert watched.picture.comparisons == ()
    # What `edgedescent check` sends, and what is not the daemon's.
    watched.take("metrics", b"")
    watched.take("other", b"nonsense")
    assert watched.picture.unreadable == 0


@pytest.mark.parametrize("state", ["offline", "stopped", "disk_full", "writes_spent"])
def test_a_state_that_is_a_problem_is_told(watched: Watched, state: str) -> None:
    assert not watched.model.is_complete
    watched.take("status", {"state": state, "since": None, "version": "0.2.0"})
    assert watched.picture.daemon.problem
    assert watched.model.is_complete


def test_silence_is_told_once_it_lasts(watched: Watched) -> None:
    assert watched.picture.daemon.problem == ""
    watched.now += 4.0
    assert "Nothing has come on status" in watched.picture.daemon.problem
    watched.take("status", {"state": "online"})
    assert watched.picture.daemon.problem == ""
    watched.now += 40.0
    assert watched.picture.daemon.problem == "No metrics have come for 44 s."
    watched.take("metrics", {"messages": 1})
    watched.now += 34.0
    assert watched.picture.daemon.problem == ""
    watched.now += 2.0
    assert watched.picture.daemon.problem == "No metrics have come for 36 s."
    # Without a connection nothing is known of the daemon.
    watched.model.set_connection("The broker is gone.", watched.now)
    assert (watched.picture.broker.problem, watched.picture.daemon.problem) == ("The broker is gone.", "")
    # It has as long again to report once there is one.
    watched.model.set_connection(None, watched.now)
    assert watched.picture.daemon.problem == ""


def test_no_text_reaches_the_terminal_as_it_came(watched: Watched) -> None:
    evil = "\x1b[2J\n\u202e[bold red]x[/]"
    feature: dict[str, Any] = {**FEATURE, "feature": evil, "input": evil, "value": evil, "missing_share": None}
    letter = {"received_at": 1e300, "topic": evil, "reason": evil, "error": evil * 50}
    watched.take("status", {"state": evil, "version": evil, "since": -1e300})
    watched.take(
        "metrics",
        {
            "dead_letters_newest": [letter],
            f"dead_letters.{evil}": 1,
            "drift_newest": [{**ALARM, "input": evil}],
            "inputs": {"features": [feature], "left_out": 0, "silent": [evil]},
        },
    )
    watched.take("predictions", {"prediction": 1e300, "id": evil, "y": -1e300})
    printed = text(watched.picture)
    assert all(line.isprintable() for line in printed.split("\n"))
    assert printed.count("\\x1b[2J\\n\\u202e[bold") >= 7

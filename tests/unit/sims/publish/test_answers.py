"""Assigning the answers of a device to what was published, and the options of a replayed scenario."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from edgedescent import LinearRegressor
from edgedescent.errors import ConfigError, EdgeDescentError
from edgedescent_sims.faults import DoubledMessages, LabelDelay, ReorderedMessages
from edgedescent_sims.publish.answers import AnswerBook
from edgedescent_sims.publish.command import Speed, replay
from edgedescent_sims.publish.player import ArrivalPace
from edgedescent_sims.publish.scenario_command import device_of
from edgedescent_sims.simulate.progressive import ProgressiveRun, Repeats, Scored, predict_learn
from edgedescent_sims.sources import LinearStream
from support.command_line import device_file


def answer(number: int, prediction: float, y: float | None = None, prefix: str = "a-") -> bytes:
    made = {"prediction": prediction, "id": f"{prefix}{number}"} | ({} if y is None else {"y": y})
    return json.dumps(made).encode()


@given(seed=st.integers(0, 2**16), ahead=st.integers(1, 400), twice=st.floats(0, 0.5))
def test_what_is_scored_is_what_a_run_in_memory_scores(seed: int, ahead: int, twice: float) -> None:
    stream = DoubledMessages(
        ReorderedMessages(LabelDelay(LinearStream(n_events=300), delay=9, after=100), seed=seed),
        rate=0.2,
        delay=4,
        seed=seed,
    )
    expected = list(ProgressiveRun(stream, LinearRegressor()))
    chance = random.Random(seed)
    book, model, repeats = AnswerBook("a-"), LinearRegressor(), Repeats()
    waiting: list[bytes] = []
    scored: list[Scored] = []
    for batch in stream.batches():
        kept, _ = repeats.split(batch)
        predicted = iter(zip(kept.number, kept.y, predict_learn(model, kept), strict=True))
        for is_answered in book.open(batch):
            book.sent(is_answered)
            if is_answered:
                number, y, prediction = next(predicted)
                waiting.append(answer(int(number), float(prediction), None if np.isnan(y) else float(y)))
            assert book.n_ahead >= book.n_unanswered
            if len(waiting) >= ahead:
                # Answers come in order, some of them twice.
                for payload in waiting:
                    book.receive(payload)
                    if chance.random() < twice:
                        book.receive(payload)
                waiting.clear()
                scored += book.complete()
    for payload in waiting:
        book.receive(payload)
    scored += book.complete()
    assert (book.n_unanswered, book.n_ahead, list(book.rest())) == (0, 0, [])
    assert len(scored) == len(expected)
    for ours, theirs in zip(scored, expected, strict=True):
        assert ours.number.tobytes() == theirs.number.tobytes()
        assert ours.prediction.tobytes() == theirs.prediction.tobytes()
        assert ours.target.tobytes() == theirs.target.tobytes()


def test_answers_to_others_and_missing_ones_are_counted() -> None:
    book = AnswerBook("a-")
    for batch in LinearStream(n_events=3).batches():
        for is_answered in book.open(batch):
            book.sent(is_answered)
    assert (book.n_expected, book.n_labelled, book.n_ahead) == (3, 3, 3)
    book.receive(answer(3, 7.0, y=1.0))
    for payload in (answer(1, 1.0, y=1.0, prefix="b-"), b'{"prediction":1.0}', answer(3, 8.0, y=1.0), answer(9, 1.0)):
        book.receive(payload)
    book.receive(b'[{"prediction":2.0,"id":"a-x"},{"prediction":2.0,"id":5}]')
    assert (book.n_answered, book.duplicates, book.others, book.n_ahead) == (1, 2, 4, 3)
    assert list(book.complete()) == []
    (rest,) = book.rest()
    assert (rest.number.tolist(), rest.prediction.tolist()) == ([3], [7.0])


def test_the_pace_follows_the_arrivals() -> None:
    pace = ArrivalPace(10.0)
    assert pace.delay_s(1000.0) <= 0.0
    assert pace.delay_s(1000.0) <= 0.0
    assert 0.8 < pace.delay_s(1010.0) <= 1.0
    # A time that falls, and one that is unknown, need no wait of their own.
    assert pace.delay_s(1005.0) <= 1.0
    assert ArrivalPace(10.0).delay_s(float("nan")) == 0.0
    fast = ArrivalPace(None)
    assert [fast.delay_s(0.0), fast.delay_s(1e9)] == [0.0, 0.0]


@pytest.mark.parametrize(("text", "factor"), [("100x", 100.0), ("0.5", 0.5), ("max", None)])
def test_speeds(text: str, factor: float | None) -> None:
    assert Speed().convert(text, None, None) == factor


NOWHERE = ["--to", "mqtt://127.0.0.1:1"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["sign-flip", "--speed", "fast"], "'fast' is no speed: expected one like 100x, 1x or max"),
        (["sign-flip", "--speed", "0x"], "is no speed"),
        (["sign-flip", "--speed", "infx"], "is no speed"),
        (["sign-flip", "--rate", "5"], "--rate does not apply to a scenario"),
        (["sign-flip", "--batch", "5"], "--batch does not apply to a scenario"),
        (["LinearStream", "--speed", "5x"], "--speed does not apply to a source of data"),
        (["LinearStream", "--answer-timeout", "5"], "--answer-timeout does not apply to a source of data"),
    ],
)
def test_options_that_do_not_apply_are_a_usage_error(words: list[str], message: str) -> None:
    result = CliRunner().invoke(replay, [*words, *NOWHERE])
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())


def test_a_scenario_that_is_not_there_is_told() -> None:
    result = CliRunner().invoke(replay, ["absent.toml", *NOWHERE])
    assert isinstance(result.exception, EdgeDescentError)
    assert "absent.toml" in str(result.exception)


def test_the_device_by_its_configuration(tmp_path: Path) -> None:
    topics = '[topics]\nevents = ["site/{device}/in"]\npredictions = "site/{device}/out"\n'
    device = device_of(device_file(tmp_path, topics), None, None)
    assert (device.name, device.events, device.predictions) == ("pump", "site/pump/in", "site/pump/out")
    assert device.status == "edgedescent/pump/status"
    assert device.learner is not None
    with pytest.raises(ConfigError, match="Both --device and --config"):
        device_of(device_file(tmp_path), "pump", None)
    with pytest.raises(ConfigError, match="no topic to publish to"):
        device_of(device_file(tmp_path, '[topics]\nevents = ["site/+/in"]\n'), None, None)
    given = device_of(device_file(tmp_path, '[topics]\nevents = ["site/+/in"]\n'), None, "site/a/in")
    assert given.events == "site/a/in"

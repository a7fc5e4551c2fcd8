"""Rehearsals of journals that are whole, trimmed, damaged, exported, or of another kind than the candidates."""

from __future__ import annotations

import dataclasses
import json
import random
import sqlite3
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from edgedescent import LinearRegressor
from edgedescent import config as configuration
from edgedescent.config import Config
from edgedescent.engine.messages import Message
from edgedescent.errors import ConfigError, StateError
from edgedescent.state.store import FILE
from edgedescent_sims.drift import SignFlip
from edgedescent_sims.faults import DoubledMessages
from edgedescent_sims.result import load_result
from edgedescent_sims.scenarios.files import load_scenario
from edgedescent_sims.simulate.journals import Journal, open_journal
from edgedescent_sims.simulate.rehearsal import AS_RUN, Rehearsal, Replayed, Start, rehearse
from edgedescent_sims.simulate.runner import simulate
from edgedescent_sims.sources import JournalSource
from support.command_line import device_file, run
from support.state_folder import NOW, Run, a_config, batches, payloads

SCORES = ("mae", "rmse", "r2", "mase")
FORECASTS = """
[inputs.meter]
topics = ["meter"]
fields = {power = "P"}
[label]
input = "meter"
feature = "meter.power"
horizon_s = [5, 20]
"""
NETWORK = {"type": "MLPRegressor", "replay_steps": 1, "hidden": [4]}


def with_learner(config: Config, **learner: Any) -> Config:
    return msgspec.structs.replace(config, learner=learner)


def readings(count: int, seed: int = 1) -> list[bytes]:
    rng = random.Random(seed)
    made = []
    for number in range(1, count + 1):
        x = {"a": rng.gauss(0, 1), "b": rng.gauss(5, 2)}
        made.append(json.dumps({"id": number, "x": x, "y": 3 * x["a"] - x["b"] + rng.gauss(0, 0.1)}).encode())
    return made


def lived(config: Config, messages: list[bytes], *, checkpoint_every: int | None = None, **options: Any) -> Run:
    """A device that has taken messages in, in blocks of 50."""
    device = Run(config, **options)
    for place, batch in enumerate(batches(messages, 50), start=1):
        device.take(batch)
        if checkpoint_every is not None and place % checkpoint_every == 0:
            device.checkpoint()
    return device


def errors_of(device: Run) -> dict[str, float]:
    """What the device reports."""
    summary = device.engine.errors.summary()
    return {score: summary[score] for score in SCORES}


def value_of(rehearsal: Rehearsal, name: str, score: str) -> float | None:
    candidate = next(each for each in rehearsal.result.candidates if each.name == name)
    return candidate.scores[score].value


@pytest.fixture
def config_path(tmp_path: Path) -> Path:
    return device_file(tmp_path)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return a_config(tmp_path / "state")


@pytest.mark.parametrize("jobs", [1, 2])
def test_as_run_equals_the_device_and_candidates_equal_devices_of_their_own(
    config: Config, config_path: Path, tmp_path: Path, jobs: int
) -> None:
    # Messages of every kind: arrays, repeats, questions, and what no decoder takes.
    messages = payloads(400)
    device = lived(config, messages, checkpoint_every=3)
    other = a_config(tmp_path / "other", **NETWORK)
    seen: list[tuple[int, int]] = []
    rehearsal = rehearse(
        open_journal(config_path), {"network": other}, jobs=jobs, on_progress=lambda *progress: seen.append(progress)
    )
    assert {score: value_of(rehearsal, AS_RUN, score) for score in SCORES} == errors_of(device)
    assert value_of(rehearsal, AS_RUN, "dead_letters") == device.engine.counters["dead_letters"] > 0
    twin = lived(other, messages)
    assert {score: value_of(rehearsal, "network", score) for score in SCORES} == errors_of(twin)
    assert (rehearsal.agrees, rehearsal.verified_at, rehearsal.notices) == (True, 300, [])
    assert len(rehearsal.result.comparison) == 1
    assert seen[-1] == (800, 800)
    assert rehearsal.result.kind == "features"


def test_several_horizons_are_scored_each(tmp_path: Path) -> None:
    path = device_file(tmp_path, FORECASTS)
    device = Run(configuration.load(path))
    said = [json.dumps({"P": 5 + number % 7}).encode() for number in range(1, 201)]
    device.store.append([Message(n, NOW + n, "meter", payload) for n, payload in enumerate(said, start=1)], 0)
    device.learn()
    device.checkpoint()
    device.store.close()
    rehearsal = rehearse(open_journal(path), {})
    assert (rehearsal.agrees, rehearsal.notices) == (True, [])
    errors = [head.errors.summary()["mae"] for head in device.engine.heads.all]
    assert [value_of(rehearsal, AS_RUN, name) for name in ("mae", "mae_5", "mae_20")] == [errors[0], *errors]


def test_one_process_and_several_give_the_same_bytes(config: Config, config_path: Path, tmp_path: Path) -> None:
    lived(config, readings(300))
    against = {"network": a_config(tmp_path, **NETWORK), "l2": a_config(tmp_path, type="LinearRegressor", l2=0.1)}
    results = [rehearse(open_journal(config_path), against, jobs=jobs).result.to_json() for jobs in (1, 3)]
    assert results[0] == results[1]


def test_environment_variables_reach_the_processes(
    config: Config, config_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGEDESCENT_LEARNER__L2", "0.5")
    monkeypatch.setenv("EDGEDESCENT_BROKER__PORT", "1884")
    with_l2 = configuration.load(config_path)
    lived(msgspec.structs.replace(config, learner=with_l2.learner), readings(200))
    rehearsal = rehearse(open_journal(config_path), {"plain": config}, jobs=2)
    assert [each.learner for each in rehearsal.result.candidates] == [
        {"type": "LinearRegressor", "l2": 0.5},
        {"type": "LinearRegressor"},
    ]


def test_a_trimmed_journal_reports_from_its_oldest_checkpoint(config: Config, config_path: Path) -> None:
    device = lived(config, readings(2000), checkpoint_every=10, journal_bytes_max=1)
    journal = open_journal(config_path)
    assert 1 < journal.first < journal.last == 2000
    rehearsal = rehearse(journal, {"l2": with_learner(config, type="LinearRegressor", l2=0.1)})
    reported = {score: value_of(rehearsal, AS_RUN, f"reported_{score}") for score in SCORES}
    assert reported == errors_of(device)
    assert value_of(rehearsal, AS_RUN, "mae") != reported["mae"]
    assert (rehearsal.agrees, rehearsal.verified_at) == (True, 2000)
    assert f"The journal begins with message {journal.first}" in rehearsal.notices[0]
    assert "from its checkpoint at message 1500 on" in rehearsal.notices[1]
    # Both were scored on the same events.
    counts = {value_of(rehearsal, name, "events_learned") for name in (AS_RUN, "l2")}
    assert counts == {float(journal.n_messages)}


def test_the_predictions_behind_a_checkpoint_are_those_of_the_device(config: Config, config_path: Path) -> None:
    device = lived(config, readings(2000), checkpoint_every=10, journal_bytes_max=1)
    journal = open_journal(config_path)
    answers: list[tuple[int, bytes]] = []
    Replayed(
        AS_RUN,
        config,
        journal,
        Start(journal.checkpoints()[0]),
        lambda message, payload: answers.append((message.position, payload)),
    )
    assert answers == [(position, effect.payload) for position, effect in device.effects if position > 1500]


def test_a_trimmed_journal_without_a_usable_checkpoint_says_so(config: Config, config_path: Path) -> None:
    lived(config, readings(2000), checkpoint_every=10, journal_bytes_max=1).store.close()
    with sqlite3.connect(Path(config.state.path) / FILE) as db:
        db.execute("UPDATE checkpoints SET data = x'00'")
    db.close()
    rehearsal = rehearse(open_journal(config_path), {})
    assert rehearsal.agrees is None
    assert "every candidate starts untrained there" in rehearsal.notices[0]
    assert "reported_mae" not in rehearsal.result.candidates[0].scores


def test_damaged_blocks_are_told_and_the_checkpoint_replaces_them(config: Config, config_path: Path) -> None:
    device = lived(config, readings(1000), checkpoint_every=8)
    device.store.close()
    with sqlite3.connect(Path(config.state.path) / FILE) as db:
        db.execute("UPDATE journal SET data = x'00' WHERE first = 201")
    db.close()
    rehearsal = rehearse(open_journal(config_path), {})
    assert "50 messages of the journal could not be read" in rehearsal.notices[0]
    assert {score: value_of(rehearsal, AS_RUN, f"reported_{score}") for score in SCORES} == errors_of(device)
    assert value_of(rehearsal, AS_RUN, "events_learned") == 950
    assert (rehearsal.agrees, rehearsal.verified_at) == (True, 800)


def test_other_kinds_and_formats_are_refused_early(config: Config, config_path: Path) -> None:
    lived(config, readings(1500))
    journal = open_journal(config_path)
    seen: list[int] = []
    with pytest.raises(ConfigError, match=r"candidate mf can use none of the first 1000 .*missing_field") as caught:
        rehearse(
            journal, {"mf": with_learner(config, type="MatrixFactorization")}, on_progress=lambda n, _: seen.append(n)
        )
    assert "kind of event" in caught.value.hint
    assert seen[-1] < 1500 + 1000
    csv = msgspec.structs.replace(config, topics=msgspec.structs.replace(config.topics, format="csv:a,b,y"))
    with pytest.raises(ConfigError, match="format"):
        rehearse(journal, {"csv": csv})


def test_questions_alone_have_no_error(config: Config, config_path: Path) -> None:
    lived(config, [b'{"x": {"a": 1}}'] * 20)
    with pytest.raises(ConfigError, match="No labelled event of pump could be scored for the candidate as run"):
        rehearse(open_journal(config_path), {})


def test_a_state_folder_and_a_recording_need_candidates(config: Config, config_path: Path, tmp_path: Path) -> None:
    device = lived(config, readings(300))
    path = tmp_path / "morning.jsonl"
    assert run("journal", "export", config_path, "--output", path, "--from", 101).exit_code == 0
    for spec in (tmp_path / "state", path):
        with pytest.raises(ConfigError, match="nothing to compare"):
            rehearse(open_journal(spec), {})
    whole = rehearse(open_journal(tmp_path / "state"), {"same": config})
    assert {score: value_of(whole, "same", score) for score in SCORES} == errors_of(device)
    part = open_journal(path)
    assert (part.first, part.last, part.n_messages) == (101, 300, 200)
    rehearsal = rehearse(part, {"same": config})
    assert "begins with message 101" in rehearsal.notices[0]
    assert value_of(rehearsal, "same", "events_learned") == 200
    path.write_text(path.read_text() + "nonsense\n" + path.read_text())
    with pytest.raises(ConfigError, match="message 101 follows message 300"):
        rehearse(Journal(name="twice", path=path, first=101, last=300, n_messages=400), {"same": config})


def test_what_is_no_journal_is_told(config: Config, config_path: Path, tmp_path: Path) -> None:
    with pytest.raises(StateError, match="no state"):
        open_journal(config_path)
    Run(config).store.close()
    with pytest.raises(ConfigError, match="is empty"):
        open_journal(config_path)
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    for spec in (tmp_path / "a.csv", tmp_path / "absent"):
        with pytest.raises(ConfigError, match="is no journal"):
            open_journal(spec)


def test_the_configuration_of_another_learner_is_refused(config: Config, config_path: Path) -> None:
    lived(config, readings(100))
    config_path.write_text(config_path.read_text().replace("LinearRegressor", "MLPRegressor"))
    with pytest.raises(ConfigError, match="another configuration") as caught:
        open_journal(config_path)
    assert "--against" in caught.value.hint


def test_the_command_judges_candidates_and_compares(config: Config, config_path: Path, tmp_path: Path) -> None:
    lived(config, readings(300))
    worse = tmp_path / "worse.toml"
    worse.write_text('device = "pump"\n[learner]\ntype = "LinearRegressor"\noptimizer = { type = "SGD", lr = 0.001 }\n')
    words = ["simulate", "--journal", config_path, "--against", worse, "--jobs", 1]
    done = run(*words, "--out", tmp_path / "out", "--fail-if", "mae > 0.001")
    assert done.exit_code == 1, done.output
    result = load_result(tmp_path / "out" / "pump.json")
    # What the device did is not judged, what it might do is.
    assert [(bar.candidate, bar.failed) for bar in result.bars] == [("worse", True)]
    assert (tmp_path / "out" / "report.html").exists()

    done = run(*words, "--out", tmp_path / "again", "--compare", tmp_path / "out" / "pump.json")
    assert done.exit_code == 0, done.output
    assert "ok    worse mae" in done.output
    worse.write_text(worse.read_text().replace("0.001", "0.0001"))
    done = run(*words, "--out", tmp_path / "again", "--compare", tmp_path / "out" / "pump.json")
    assert done.exit_code == 1
    assert "WORSE worse mae" in done.output
    done = run(*words, "--seeds", 3)
    assert done.exit_code == 2
    assert "--seeds does not apply to --journal" in done.output


def test_a_scenario_disturbs_a_journal(config: Config, tmp_path: Path) -> None:
    lived(config, readings(1000))
    path = tmp_path / "flipped.toml"
    path.write_text(
        '[source]\ntype = "JournalSource"\npath = "state"\n'
        '[[transforms]]\ntype = "SignFlip"\ncolumns = ["a"]\nat = 600\n'
        '[[transforms]]\ntype = "DoubledMessages"\nrate = 0.1\ndelay = 3\n'
        '[candidates.linear]\ntype = "LinearRegressor"\n'
    )
    scenario = load_scenario(path)
    assert [type(transform) for transform in scenario.transforms()] == [SignFlip, DoubledMessages]
    ((result, _),) = simulate([scenario])
    assert (result.name, result.n_events, result.kind) == ("flipped", 1000, "features")
    assert [mark.label for mark in result.marks][-1] == "SignFlip a"
    assert "recovery" in result.candidates[0].scores

    # Without the drift and the fault it is the journal: the scores of its own learner.
    ((plain, _),) = simulate([_plain(scenario)])
    twin = LinearRegressor()
    batch = next(iter(JournalSource(str(tmp_path / "state")).batches()))
    predictions = twin.learn_many(batch.matrix(), batch.y, names=list(batch.columns))
    assert plain.candidates[0].scores["mae"].value == pytest.approx(np.abs(batch.y - predictions)[1:].mean())


def _plain(scenario: Any) -> Any:
    return dataclasses.replace(scenario, stream=scenario.base())

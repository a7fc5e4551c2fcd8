"""A device's life, kills included, rehearsed from its journal: the same predictions and errors, bit for bit.

With ``--torture`` the device learns 100,000 events instead of 2,000.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from edgedescent import config as configuration
from edgedescent_sims.result import load_result
from edgedescent_sims.simulate.journals import open_journal
from edgedescent_sims.simulate.rehearsal import UNTRAINED, Replayed
from support.brokers import running_broker
from support.command_line import run
from support.device_peer import DevicePeer
from support.event_streams import Sender, events, ids_in
from support.waiting import eventually

SCORES = ("mae", "rmse", "r2", "mase")


def candidate(folder: Path, name: str, learner: str, *lines: str) -> Path:
    path = folder / f"{name}.toml"
    path.write_text("\n".join(['device = "pump"', "[learner]", f'type = "{learner}"', *lines]) + "\n")
    return path


@pytest.mark.rounds(quick=3, long=3)
def test_a_life_with_kills_is_rehearsed_bit_for_bit(
    make_daemon: Any, rounds: Any, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    kills = rounds.count
    share = (100_000 if request.config.getoption("torture") else 2_000) // (kills + 1)
    count = share * (kills + 1)
    payloads = events(0, count)
    with (
        running_broker("mosquitto") as broker,
        DevicePeer(broker.port) as peer,
        make_daemon(
            broker.port,
            broker="receive_max = 50",
            learner="MLPRegressor",
            parameters="replay_steps = 1",
            environment={"EDGEDESCENT_STATE__CHECKPOINT_EVENTS": str(count // 7)},
        ) as daemon,
    ):
        daemon.connected()
        for place in range(kills + 1):
            before = peer.answers_count
            with Sender(peer, payloads[place * share : (place + 1) * share], pause_s=0.005) as sender:
                if place < kills:
                    # In the midst of learning, with messages on the way.
                    eventually(lambda before=before: peer.answers_count > before + share // 3, "answers")
                    daemon.kill()
                    daemon.start()
                sender.join()
        reported = daemon.counted(count)
        # All is in the journal once it is committed; the daemon goes on running.
        eventually(lambda: daemon.status().get("messages_uncommitted") == 0, "a commit")
        last = ids_in(payloads)[-1]
        eventually(lambda: json.loads(peer.of("predictions")[-1])["id"] == last, "the last answer")

        # --- Beside the running daemon: what it published, and what it reported.
        journal = open_journal(daemon.config_path)
        replayed: dict[str, list[float]] = {}

        def note(_message: object, payload: bytes) -> None:
            answer = json.loads(payload)
            replayed.setdefault(answer["id"], []).append(answer["prediction"])

        again = Replayed("as run", daemon.config, journal, UNTRAINED, note)
        assert len(replayed) == count
        answers = peer.answers()
        # One that came again after a crash was the same again.
        assert all(replayed[answer["id"]] == [answer["prediction"]] for answer in answers)
        published = dict.fromkeys(answer["id"] for answer in answers)
        assert list(published) == [name for name in replayed if name in published], "the same order"
        print(f"{len(answers)} answers to {len(published)} of {count} events, all as rehearsed")
        assert len(published) > 0.98 * count
        summary = again.engine.errors.summary()
        assert {name: summary[name] for name in SCORES} == {name: reported[name] for name in SCORES}
        metrics = json.loads(peer.of("metrics")[-1])
        assert {name: summary[name] for name in SCORES} == {name: metrics[name] for name in SCORES}

        # --- Three candidates, in processes of their own.
        linear = candidate(tmp_path, "linear", "LinearRegressor")
        small = candidate(tmp_path, "small", "MLPRegressor", "replay_steps = 0", "hidden = [8]")
        words = ["--against", linear, "--against", small, "--out", tmp_path / "out", "--jobs", "2"]
        started = time.monotonic()
        done = run("simulate", "--journal", daemon.config_path, *words)
        print(f"{count} events, 3 candidates: {time.monotonic() - started:.1f} s")
        assert done.exit_code == 0, done.output
        result = load_result(tmp_path / "out" / "pump.json")
        assert [each.name for each in result.candidates] == ["as run", "linear", "small"]
        as_run = result.candidates[0]
        assert {name: as_run.scores[name].value for name in SCORES} == {name: reported[name] for name in SCORES}
        assert as_run.scores["events_learned"].value == reported["events_learned"] == count
        assert len(result.comparison) == 3
        assert all(len(each.curve.number) > 400 for each in result.candidates)
        report = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
        assert all(name in report for name in ("as run", "linear", "small"))
        assert configuration.load(daemon.config_path).learner == as_run.learner

        # --- Stopped, it has a checkpoint at its end, with which the rehearsal is compared.
        daemon.stop()
        baseline = tmp_path / "out" / "pump.json"
        words = ["--out", tmp_path / "later", "--compare", baseline, "--fail-if", "mae > 0"]
        done = run("simulate", "--journal", daemon.config_path, *words)
        assert done.exit_code == 0, done.output
        end = open_journal(daemon.config_path).last
        assert f"'as run' equals the device's checkpoint at message {end}, bit for bit." in done.stderr
        assert "ok    as run mae" in done.output

"""The daemon with models of River: killed, restarted, and the same to the last bit."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytest.importorskip("river", reason="River is an extra: pip install 'edgedescent[river]'")

from river import datasets

from support.brokers import running_broker
from support.command_line import run
from support.daemon_process import assert_same_learning
from support.device_peer import DevicePeer

FOREST = '{type = "forest.ARFRegressor", n_models = 3}'
TREE = '["preprocessing.StandardScaler", {type = "tree.HoeffdingAdaptiveTreeRegressor", grace_period = 50}]'


def payloads(stream: Any) -> list[bytes]:
    return [json.dumps({"id": i, "x": x, "y": y}).encode() for i, (x, y) in enumerate(stream)]


@pytest.mark.parametrize(
    ("model", "stream", "kills"),
    # Each start imports River, which takes a second or two.
    [(FOREST, list(datasets.TrumpApproval())[:300], 2), (TREE, list(datasets.ChickWeights())[:300], 1)],
    ids=["arf", "hat"],
)
def test_kill_9_leaves_the_same_model(make_daemon: Any, model: str, stream: Any, kills: int) -> None:
    sent = payloads(stream)
    with running_broker() as broker, DevicePeer(broker.port) as peer:
        daemon = make_daemon(
            broker.port,
            broker=f'protocol = "{broker.protocols[0]}"',
            learner="RiverRegressor",
            parameters=f"model = {model}",
            environment={"EDGEDESCENT_STATE__CHECKPOINT_EVENTS": "70"},
        )
        with daemon:
            daemon.connected()
            peer.send(sent, wait=False)
            for life in range(1, kills + 1):
                daemon.counted(len(sent) * life // (kills + 1))
                daemon.kill()
                daemon.start()
            daemon.counted(len(sent))
            daemon.stop()
        recovered = daemon.recovered()
        assert recovered.counters["events_learned"] == len(sent)
        assert recovered.counters["dead_letters"] == 0
        assert "INFO Checkpoint" in daemon.log
        assert "Traceback" not in daemon.log
        assert_same_learning(recovered, daemon.undisturbed(sent))
        exported = run("export", daemon.config_path)
        assert exported.exit_code == 1
        assert exported.stderr.startswith("Error: There is no ONNX graph for the learner RiverRegressor. Hint: ")
        assert exported.stderr.count("\n") == 1


def test_events_that_river_cannot_take_are_dead_letters(make_daemon: Any) -> None:
    good = payloads(list(datasets.ChickWeights())[:60])
    bad = [json.dumps({"id": f"bad-{i}", "x": {"time": "noon", "diet": 1}, "y": 1.0}).encode() for i in range(20)]
    mixed = [payload for pair in zip(good, bad * 3, strict=True) for payload in pair]
    with running_broker() as broker, DevicePeer(broker.port) as peer:
        daemon = make_daemon(
            broker.port,
            broker=f'protocol = "{broker.protocols[0]}"',
            learner="RiverRegressor",
            parameters=f"model = {TREE}",
        )
        with daemon:
            daemon.connected()
            peer.send(mixed)
            status = daemon.counted(60)
            daemon.counted(60, "dead_letters")
            daemon.stop()
        assert status["events_learned"] == 60
        recovered = daemon.recovered()
        assert recovered.counters["dead_letters.wrong_type"] == 60
        # The events that were refused left nothing behind in the model.
        clean = daemon.undisturbed(good).learner.state_dict()
        assert recovered.learner.state_dict()["graph"].tobytes() == clean["graph"].tobytes()

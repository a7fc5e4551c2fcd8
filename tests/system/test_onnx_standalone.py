"""A snapshot is served by a fresh process that has onnxruntime and numpy, and nothing of this project."""

import json
import math
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from edgedescent import (
    BPR,
    AutoRegressor,
    FactorizationMachine,
    LinearRegressor,
    LogisticRegressor,
    MatrixFactorization,
    MLPRegressor,
)
from edgedescent.losses import LogisticLoss, PoissonLoss
from edgedescent.optim import Adam
from edgedescent_onnx import OnnxAdapter
from support.waiting import PATIENCE_S

# Started with -I -S, so that neither the environment nor an editable install can put the project on the path.
# The guard is for the case that it was installed into the very folder that onnxruntime is in.
SERVER = """
import json, sys

class Guard:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0].startswith("edgedescent"):
            raise AssertionError(f"{name} must not be needed")

sys.meta_path.insert(0, Guard())
job = json.loads(sys.stdin.read())
sys.path += job["libraries"]

import numpy as np
import onnxruntime

with open(job["model"], "rb") as file:
    session = onnxruntime.InferenceSession(file.read(), providers=["CPUExecutionProvider"])
if job["kind"] == "features":
    metadata = session.get_modelmeta().custom_metadata_map
    order, categories = json.loads(metadata["features"]), json.loads(metadata["categories"])
    inputs = {"x": np.array([[e["x"].get(n) for n in order] for e in job["events"]], dtype=np.float64)}
    for name, port in categories.items():
        texts = [str(e["x"].get(name, metadata["missing"])) for e in job["events"]]
        inputs[port] = np.array(texts, dtype=object)
    if "labels" in metadata:
        inputs["labels"] = np.array(job["labels"], dtype=np.float64)
else:
    ids = {role: [str(e[role]) for e in job["events"]] for role in ("user", "item")}
    inputs = {role: np.array(ids[role], dtype=object) for role in ids}
served = session.run(["prediction"], inputs)[0]
assert served.dtype == np.float64 and served.shape == (len(job["events"]),)
assert not [name for name in sys.modules if name.startswith("edgedescent")]
print(json.dumps(served.tolist()))
"""


def serve(model: bytes, kind: str, events: Sequence[object], folder: Path, labels: Sequence[float] = ()) -> list[float]:
    path = folder / "model.onnx"
    path.write_bytes(model)
    libraries = [entry for entry in sys.path if Path(entry).name in ("site-packages", "dist-packages")]
    job = {"model": str(path), "kind": kind, "events": events, "labels": list(labels), "libraries": libraries}
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", SERVER],
        input=json.dumps(job),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    predictions: list[float] = json.loads(done.stdout)
    return predictions


FEATURE_LEARNERS: list[Any] = [
    LinearRegressor(),
    LinearRegressor(loss=PoissonLoss(), optimizer=Adam(average_rate=0.01)),
    LogisticRegressor(categories=("hour",)),
    FactorizationMachine(categories=("hour",)),
    FactorizationMachine(loss=LogisticLoss()),
    MLPRegressor(hidden=(16, 8), categories=("hour",)),
]


@pytest.mark.parametrize("model", FEATURE_LEARNERS, ids=repr)
def test_a_learner_of_features_is_served_without_the_project(model: Any, tmp_path: Path) -> None:
    rng = random.Random(1)

    def features() -> dict[str, Any]:
        x: dict[str, Any] = {f"sensor {i}": rng.gauss(50 * i, i + 1) for i in range(10)}
        x[f"sensor {rng.randrange(10)}"] = rng.choice([None, math.nan, math.inf, 1e7, -1e101])
        del x[f"sensor {rng.randrange(10)}"]
        x["hour"] = rng.randrange(24)
        if rng.random() < 0.8:
            x["site"] = rng.choice(["north", "süd", ""])
        return x

    model = model.clone()
    for _ in range(2000):
        x = features()
        usable = [v for n, v in x.items() if n.startswith("sensor") and v is not None and abs(v) < 1e6]
        y = sum(usable) / 4000 + 0.3 * (x.get("site") == "north")
        model.learn_one(x, min(max(y, 0.0), 1.0) if model.loss.binary else 100 * abs(y))
    events = [{"x": features()} for _ in range(100)] + [{"x": {"site": "unheard of", "hour": 77}}]
    live = [model.predict_one(event["x"]) for event in events]
    assert max(live) > 1.2 * min(live)
    served = serve(OnnxAdapter().export(model, {}), "features", events, tmp_path)
    assert served == pytest.approx(live, rel=1e-9)


@pytest.mark.parametrize("budget", ["tiny", "default"])
def test_the_automatic_regressor_is_served_without_the_project(budget: Any, tmp_path: Path) -> None:
    rng = random.Random(6)
    model = AutoRegressor(budget=budget, categories=("hour",))

    def features(t: int) -> dict[str, Any]:
        x: dict[str, Any] = {"load": rng.gauss(50, 9), "hour": t % 24, "site": rng.choice(["north", "süd", ""])}
        x[rng.choice(list(x))] = None
        return x

    for t in range(1000):
        x = features(t)
        model.learn_one(x, 30 + 9 * math.sin(t * math.pi / 12) + (x["load"] or 50) / 10 + rng.gauss(0, 1))
    events = [{"x": features(t)} for t in range(50)] + [{"x": {"site": "unheard of", "hour": 77}}]
    file = OnnxAdapter().export(model, {})
    for labels in ([], [30.0, math.nan, 31.0]):
        live = [model.with_labels(labels).predict_one(event["x"]) for event in events]
        assert serve(file, "features", events, tmp_path, labels) == pytest.approx(live, rel=1e-6)


def test_a_recommender_is_served_without_the_project(tmp_path: Path) -> None:
    rng = random.Random(2)
    model = MatrixFactorization()
    for _ in range(5000):
        user, item = rng.randrange(60), f"itém {rng.randrange(40)}"
        model.learn_one(user, item, float(user % 5 + rng.randrange(3)))
    events = [{"user": rng.randrange(80), "item": f"itém {rng.randrange(60)}"} for _ in range(100)]
    live = [model.predict_one(event["user"], event["item"]) for event in events]
    assert max(live) - min(live) > 1
    served = serve(OnnxAdapter().export(model, {}), "ratings", events, tmp_path)
    assert served == pytest.approx(live, rel=1e-9)


def test_a_ranking_is_served_without_the_project(tmp_path: Path) -> None:
    rng = random.Random(3)
    model = BPR()
    for _ in range(5000):
        user = rng.randrange(60)
        model.learn_one(user, f"itém {user % 4 + 4 * rng.randrange(10)}")
    events = [{"user": rng.randrange(80), "item": f"itém {rng.randrange(60)}"} for _ in range(100)]
    live = [model.predict_one(event["user"], event["item"]) for event in events]
    assert max(live) - min(live) > 0.5
    served = serve(OnnxAdapter().export(model, {}), "ratings", events, tmp_path)
    assert served == pytest.approx(live, rel=1e-9)

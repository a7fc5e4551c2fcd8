"""A snapshot is served by a fresh process that has onnxruntime and numpy, and nothing of this project."""

import json
import math
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from edgedescent import LinearRegressor, MatrixFactorization
from edgedescent_onnx import OnnxAdapter

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
    order = json.loads(session.get_modelmeta().custom_metadata_map["features"])
    inputs = {"x": np.array([[e["x"].get(n) for n in order] for e in job["events"]], dtype=np.float64)}
else:
    ids = {role: [str(e[role]) for e in job["events"]] for role in ("user", "item")}
    inputs = {role: np.array(ids[role], dtype=object) for role in ids}
served = session.run(["prediction"], inputs)[0]
assert served.dtype == np.float64 and served.shape == (len(job["events"]),)
assert not [name for name in sys.modules if name.startswith("edgedescent")]
print(json.dumps(served.tolist()))
"""


def serve(model: bytes, kind: str, events: Sequence[object], folder: Path) -> list[float]:
    path = folder / "model.onnx"
    path.write_bytes(model)
    libraries = [entry for entry in sys.path if Path(entry).name in ("site-packages", "dist-packages")]
    job = {"model": str(path), "kind": kind, "events": events, "libraries": libraries}
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", SERVER],
        input=json.dumps(job),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    predictions: list[float] = json.loads(done.stdout)
    return predictions


def test_a_regression_is_served_without_the_project(tmp_path: Path) -> None:
    rng = random.Random(1)
    model = LinearRegressor()

    def features() -> dict[str, float | None]:
        x: dict[str, float | None] = {f"sensor {i}": rng.gauss(50 * i, i + 1) for i in range(10)}
        x[f"sensor {rng.randrange(10)}"] = rng.choice([None, math.nan, math.inf, 1e7, -1e101])
        del x[f"sensor {rng.randrange(10)}"]
        return x

    for _ in range(2000):
        x = features()
        model.learn_one(x, 7.0 + sum(v for v in x.values() if v is not None and abs(v) < 1e6) + rng.gauss(0, 1))
    events = [{"x": features()} for _ in range(100)]
    live = [model.predict_one(event["x"]) for event in events]
    assert max(live) - min(live) > 10
    served = serve(OnnxAdapter().export(model, {}), "features", events, tmp_path)
    assert served == pytest.approx(live, rel=1e-9)


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

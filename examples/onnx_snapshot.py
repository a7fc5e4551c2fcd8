"""Export a live model to ONNX and serve it with onnxruntime.

Standardization, categories and missing values are part of the file, so it takes the raw values. `OnnxAdapter.predict`
does what a service would do with onnxruntime. Needs `edgedescent[onnx]`.
"""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

from edgedescent import MLPRegressor
from edgedescent_onnx import OnnxAdapter

numbers = random.Random(3)
model = MLPRegressor(hidden=(16,))
for _ in range(2000):
    pressure, site = numbers.uniform(1, 5), numbers.choice(["north", "south"])
    model.learn_one({"pressure": pressure, "site": site}, pressure**2 + (10 if site == "north" else 0))

adapter = OnnxAdapter()
xs: list[dict[str, float | str]] = [
    {"pressure": 3.0, "site": "north"},
    {"site": "south"},
    {"pressure": 4.5, "site": "unknown"},
]
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "model.onnx"
    path.write_bytes(adapter.export(model, {"trained_by": "onnx_snapshot.py"}))
    served = adapter.predict(path.read_bytes(), [{"x": x} for x in xs])

live = [model.predict_one(x) for x in xs]
for x, there, here in zip(xs, served, live, strict=True):
    print(f"{x}: onnxruntime {there:.3f}, live {here:.3f}")
difference = max(abs(there - here) / (1 + abs(here)) for there, here in zip(served, live, strict=True))
print(f"They agree within 1e-9: {difference < 1e-9}")

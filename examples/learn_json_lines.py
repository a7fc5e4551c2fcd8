"""Learn a file of JSON lines, the fastest way to learn a recording.

Events of plain numbers are read and learned in compiled code, without a Python object for each. The file is mapped
into memory, so it may be larger than the machine's RAM.
"""

from __future__ import annotations

import json
import mmap
import random
import tempfile
import time
from pathlib import Path

import numpy as np

from edgedescent import LinearRegressor, learn_lines

N_EVENTS = 50_000

numbers = random.Random(2)
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "recording.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for _ in range(N_EVENTS):
            x = {"a": round(numbers.gauss(0, 1), 3), "b": round(numbers.gauss(10, 2), 3), "c": numbers.randrange(100)}
            file.write(json.dumps({"x": x, "y": round(3 * x["a"] + x["b"] - 0.1 * x["c"], 3)}) + "\n")

    model = LinearRegressor()
    with path.open("rb") as recording, mmap.mmap(recording.fileno(), 0, access=mmap.ACCESS_READ) as lines:
        start = time.perf_counter()
        predictions = learn_lines(model, lines)
        seconds = time.perf_counter() - start

    truth = np.array([json.loads(line)["y"] for line in path.read_text(encoding="utf-8").splitlines()])
    last = slice(-1000, None)
    print(f"Learned {len(predictions):,} events, {seconds / N_EVENTS * 1e6:.2f} µs each.")
    print(f"Mean absolute error of the last 1,000: {np.abs(predictions[last] - truth[last]).mean():.3f}")

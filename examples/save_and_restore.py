"""Save a model, restore it in a new object, and learn on with the same bits.

A state is a dict of NumPy arrays and lists of names. The codec that writes the daemon's checkpoints turns it into
bytes with a checksum, and refuses bytes that were changed. Nothing is pickled.
"""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

from edgedescent import LinearRegressor
from edgedescent.errors import StateError
from edgedescent.optim import Adam
from edgedescent.state import codec

numbers = random.Random(11)


def learn(*models: LinearRegressor, n_events: int) -> None:
    """Let all models learn the same new events."""
    for _ in range(n_events):
        x = {"a": numbers.gauss(0, 1), "b": numbers.gauss(5, 2)}
        for model in models:
            model.learn_one(x, 2 * x["a"] - x["b"])


model = LinearRegressor(optimizer=Adam(lr=0.02))
learn(model, n_events=500)

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "model.state"
    path.write_bytes(codec.encode(model.state_dict()))
    restored = model.clone()
    restored.load_state_dict(codec.decode(path.read_bytes()))
    print(f"Saved {path.stat().st_size:,} bytes.")

    damaged = bytearray(path.read_bytes())
    damaged[-1] ^= 1
    try:
        codec.decode(bytes(damaged))
    except StateError as error:
        print(f"Damaged file refused: {error}")

learn(model, restored, n_events=500)
print(f"Same bits after 500 more events: {codec.encode(model.state_dict()) == codec.encode(restored.state_dict())}")

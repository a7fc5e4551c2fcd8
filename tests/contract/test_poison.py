"""A poisoned stream leaves every learner finite, and its error on the clean events close to what they alone give."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))
try:
    import poison
finally:
    sys.path.pop(0)

STARTS = poison.learners()


@pytest.mark.parametrize("name", STARTS)
def test_poison_does_little_harm(name: str) -> None:
    start, stream = STARTS[name]

    def smaller() -> Any:
        learner = start()
        return learner.clone({"hidden": (16,), "replay_steps": 2}) if name.startswith("MLP") else learner

    # Seven poisoned events: one of each kind. From the first of them on: there is no time yet to learn what is usual.
    assert poison.harm(name, smaller, stream(3500, first=100)).passed

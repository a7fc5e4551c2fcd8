"""State of an engine as named arrays and lists: the content of a checkpoint."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from edgedescent.engine.begun import Handled
from edgedescent.engine.heads import Heads
from edgedescent.engine.repeats import Repeats
from edgedescent.errors import StateError

if TYPE_CHECKING:
    from edgedescent.engine.assembling import Assembling
    from edgedescent.engine.recommending import Recommending


class EngineParts(Protocol):
    """Parts of an engine that have a state."""

    heads: Heads
    position: int
    done: Handled | None
    counters: Counter[str]
    repeats: Repeats
    assembling: Assembling | None
    recommending: Recommending | None


def save(engine: EngineParts) -> dict[str, Any]:
    """Complete state of an engine; `restore` takes it. The bytes of a checkpoint follow the order of the names."""
    heads = engine.heads.all
    return {
        **engine.repeats.save_messages(),
        **{name: value for head in heads for name, value in head.save().items()},
        **({} if engine.assembling is None else engine.assembling.save("assembly.")),
        **({} if engine.recommending is None else engine.recommending.save()),
        **{name: value for head in heads for name, value in head.save_quarantine().items()},
        **engine.repeats.save_events(),
        # Sorted: within a message, their order depends on how it was cut.
        "counter_names": sorted(engine.counters),
        "counters": np.array([engine.counters[name] for name in sorted(engine.counters)], dtype=np.int64),
        "position": np.array([engine.position], dtype=np.int64),
        "message_done": np.array([] if engine.done is None else engine.done, dtype=np.int64),
    }


def restore(engine: EngineParts, state: dict[str, Any]) -> None:
    """Restore what `save` returned.

    Raises:
        StateError: If it is incomplete or belongs to another learner.
    """
    try:
        _restore(engine, state)
    except (KeyError, ValueError) as error:
        raise StateError(
            f"The saved state does not fit this configuration: {error}",
            "It was written by another learner or version; use another state folder for a new model.",
        ) from error


def _restore(engine: EngineParts, state: dict[str, Any]) -> None:
    for head in engine.heads.all:
        head.restore(state)
    # A state of an older version, or of other settings, has none of these.
    if engine.assembling is not None and "assembly.clock" in state:
        engine.assembling.restore(state, "assembly.")
    if engine.recommending is not None and "ranking.sums" in state:
        engine.recommending.restore(state)
    engine.repeats.restore(state)
    counters = dict(zip(state["counter_names"], state["counters"].tolist(), strict=True))
    engine.counters.clear()
    engine.counters.update(counters)
    engine.position = int(state["position"][0])
    engine.done = Handled.restore(state["message_done"])

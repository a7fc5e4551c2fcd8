"""Twins: the stream of a learner that only ever saw the regime after a drift, against which recovery is measured."""

from __future__ import annotations

from edgedescent_sims.drift.base import Drift
from edgedescent_sims.sources.base import Mark, Source, Transform


def twin_after(stream: Source, mark: Mark) -> Source:
    """Return a stream as if the regime after a mark had held from its first event on, and would for good.

    Its drifts are frozen; what else changes it, such as faults, stays. From the end of the mark to the next one its
    events equal those of the stream, to the last bit, where no transform draws by the order of the events.

    Args:
        stream: A source with any drifts and faults around it.
        mark: A mark of one of them.

    Example:
        >>> import numpy as np
        >>> from edgedescent_sims.drift import LabelBias
        >>> from edgedescent_sims.sources.batch import Batch
        >>> from edgedescent_sims.sources.in_memory import InMemorySource
        >>> stream = LabelBias(InMemorySource(Batch.of({"x": np.arange(4.0)}, np.zeros(4))), offset=5.0, at=2)
        >>> [[event["y"] for event in each.events()] for each in (stream, twin_after(stream, stream.marks()[0]))]
        [[0.0, 0.0, 5.0, 5.0], [5.0, 5.0, 5.0, 5.0]]

    References:
        Shaker, Hüllermeier (2015), "Recovery analysis for adaptive learning from non-stationary data streams",
        Neurocomputing 150, section 3.
    """
    if not isinstance(stream, Transform):
        return stream
    below = twin_after(stream.source, mark)
    return stream.frozen_after(mark, below) if isinstance(stream, Drift) else stream.around(below)

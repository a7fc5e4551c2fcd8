"""Predictions of an exported file beside those of its learner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgedescent.snapshots.parity import target_scale
from edgedescent_onnx import OnnxAdapter


def assert_snapshot_agrees(learner: Any, events: Sequence[dict[str, float]]) -> None:
    """Require that the ONNX file of a learner of features predicts as it does, within single precision."""
    onnx = OnnxAdapter()
    served = onnx.predict(onnx.export(learner, {}), [{"x": event} for event in events], [])
    live = [learner.predict_one(event) for event in events]
    np.testing.assert_allclose(served, live, rtol=2e-6, atol=2e-6 * target_scale(learner))

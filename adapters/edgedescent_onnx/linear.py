"""`LinearRegressor` as ONNX: raw features in, standardized inside, prediction out."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from edgedescent import LinearRegressor
from edgedescent.errors import InvalidEventError
from edgedescent.learners import Learner
from edgedescent_onnx.graph import Array, Constant, Events, Graph, Node, Port, learned

# The learner takes a value of this magnitude or more for a broken reading, see kernels/numbers.pxd.
INSANE = 1e100

MEANING = (
    "raw feature values, one column per feature in the order of the metadata entry `features`; "
    f"NaN, infinity and anything of magnitude {INSANE:g} or more count as missing"
)


class LinearGraph:
    """The graph of a linear regression, in the units of the raw features and of the target.

    ::

        prediction = intercept + Σ weights clip(x - mean, ±limit), without the features that are missing

    With z = clip((x - mean) / sd, ±clip) and f = w₀ + Σ w z, this is the learner's own mean_y + sd_y f,
    multiplied out: weights = sd_y w / sd, limit = clip sd, intercept = mean_y + sd_y w₀.
    """

    learner: type[Learner] = LinearRegressor
    usage = """\
import json
from pathlib import Path

import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession(Path("model.onnx").read_bytes(), providers=["CPUExecutionProvider"])
features = json.loads(session.get_modelmeta().custom_metadata_map["features"])
events = [{"temp": 20.1, "humidity": 0.6}, {"temp": 4.0}]
x = np.array([[event.get(name) for name in features] for event in events], dtype=np.float64)
print(session.run(["prediction"], {"x": x})[0].tolist())
"""

    def build(self, learner: Learner) -> Graph:
        """Make the graph that predicts what `learner` predicts now."""
        state: dict[str, Any] = learner.state_dict()
        features: list[str] = state["features"]
        weights = learned(state, "weights")
        mean = learned(state, "inputs.mean")[1:]
        variance = learned(state, "inputs.variance")[1:]
        sd = np.sqrt(variance)
        # A feature that never varied says nothing, as in the learner. NaN stays NaN, so that it is refused.
        inverse = np.divide(1.0, sd, out=np.zeros_like(sd), where=sd != 0.0)
        # The target's scale is in the weights, not a factor of its own: onnxruntime drops a product with a
        # single constant that is 1 when rounded to 32 bits. Where the target never varied, the scale is 0 and
        # the mean remains.
        target_mean = learned(state, "target.mean")[0]
        target_sd = np.sqrt(learned(state, "target.variance")[0])
        limit = learner.get_params()["clip"] * sd
        constants: dict[str, Constant] = {
            "mean": mean,
            "highest": limit,
            "lowest": -limit,
            "weights": target_sd * weights[1:] * inverse[:, np.newaxis],
            "intercept": target_mean + target_sd * weights[0, 0],
        }
        x = Port("x", "double", ("batch", len(features)), MEANING)
        metadata = {"features": json.dumps(features)}
        if not features:
            return _constant(x, constants["intercept"], metadata)
        constants |= {"insane": np.float64(INSANE), "column": np.array([1])}
        nodes = [
            # Whatever is compared with NaN is false, so NaN is not sane either.
            Node("Abs", ["x"], "magnitude"),
            Node("Less", ["magnitude", "insane"], "is_sane"),
            Node("Where", ["is_sane", "x", "mean"], "present"),
            Node("Sub", ["present", "mean"], "deviation"),
            Node("Min", ["deviation", "highest"], "not_above"),
            Node("Max", ["not_above", "lowest"], "clipped"),
            # A product with a column, not with a vector: older runtimes refuse an empty batch in the latter.
            Node("MatMul", ["clipped", "weights"], "slope_column"),
            Node("Squeeze", ["slope_column", "column"], "slope"),
            Node("Add", ["slope", "intercept"], "prediction"),
        ]
        return Graph([x], nodes, constants, metadata)

    def feed(self, metadata: Mapping[str, str], events: Events) -> dict[str, Array]:
        """Make one row per event, NaN where it lacks a feature."""
        features: list[str] = json.loads(metadata["features"])
        column = {name: j for j, name in enumerate(features)}
        x = np.full((len(events), len(features)), np.nan)
        for i, event in enumerate(events):
            values = event.get("x")
            if not isinstance(values, Mapping):
                message = f"An event of a regression needs an object `x`. Got {event!r}."
                raise InvalidEventError("no_features", message)
            for name, value in values.items():
                if name in column:
                    x[i, column[name]] = _number(name, value)
        return {"x": x}


def _constant(x: Port, prediction: Constant, metadata: Mapping[str, str]) -> Graph:
    """Make the graph of a learner that has seen no feature: the same prediction for every row.

    Runtimes disagree about matrices without columns, so nothing is taken from `x` but the number of its rows.
    """
    nodes = [
        Node("Shape", ["x"], "rows", {"start": 0, "end": 1}),
        Node("Expand", ["intercept", "rows"], "prediction"),
    ]
    return Graph([x], nodes, {"intercept": prediction}, metadata)


def _number(name: object, value: object) -> float:
    """Read a value as the learner does: None is missing, an integer beyond a float is infinite."""
    if value is None:
        return math.nan
    if isinstance(value, (str, bytes)) or not hasattr(value, "__float__"):
        raise InvalidEventError("not_a_number", f"The feature {name!r} must be a number. Got {value!r}.")
    try:
        return float(value)
    except OverflowError:
        return math.inf

"""Part of ONNX graphs that all learners of named features share: standardization, categories, sums and links."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgedescent.errors import ExportError, InvalidEventError
from edgedescent.features._names import split_name
from edgedescent.learners import Learner
from edgedescent_onnx.graph import (
    ML,
    Array,
    Constant,
    Events,
    Graph,
    Node,
    Port,
    learned,
    served,
    sigmoid,
)
from edgedescent_onnx.serving import prepare

CATEGORICAL, INDICATOR = 1, 2
"""Kinds of rows in the state; see `edgedescent/features/_kinds.pxd`."""

INSANE = 1e100
"""Magnitude from which on the learner treats a value as missing; see `edgedescent/numerics/_numbers.pxd`."""

MEANING = (
    "raw feature values, one column per feature in the order of the metadata entry `features`; "
    f"NaN, infinity and anything of magnitude {INSANE:g} or more count as missing"
)

# Part of the model card.
USAGE = """\
from pathlib import Path

import onnxruntime
from edgedescent_onnx import prepare  # or a copy of edgedescent_onnx/serving.py, which needs NumPy alone

session = onnxruntime.InferenceSession(Path("model.onnx").read_bytes(), providers=["CPUExecutionProvider"])
metadata = session.get_modelmeta().custom_metadata_map
events = [{"temp": 20.1, "humidity": 0.6, "site": "north"}, {"temp": 4.0}]
print(session.run(["prediction"], prepare(metadata, events))[0].tolist())
"""


SCORE_MAX = 1e100
"""Bound on the magnitude of a score, as in `edgedescent/numerics/_numbers.pxd`."""


class FeatureGraph:
    """Part of a graph that reads events of named features.

    Numbers are the columns of the input ``x``. Each feature whose values are categories has an input of strings, in
    which an unknown value, such as the metadata entry `missing`, adds nothing to any sum.

    Args:
        learner: A learner of named features.
        standardized: Compute the standardized numbers ``z`` to the last bit, rather than a multiple of each that `sum`
            allows for.

    Raises:
        ExportError: If its categories share rows by a hash.
    """

    def __init__(self, learner: Learner, *, standardized: bool = False) -> None:
        self.state: dict[str, Any] = learner.state_dict()
        parameters = learner.get_params()
        kinds = np.asarray(self.state["kinds"])[1:]
        is_category = kinds == CATEGORICAL
        names = list(self.state["features"])
        if is_category.any() and parameters["hash_bits"] is not None:
            raise ExportError(
                f"The categories of this {type(learner).__name__} share rows by a hash that ONNX cannot compute.",
                "Leave `hash_bits` out, and bound the table by `features_max` instead.",
            )
        self.numeric_rows = 1 + np.flatnonzero(~is_category)
        self.is_indicator = kinds[~is_category] == INDICATOR
        numeric = [split_name(names[row - 1])[0] for row in self.numeric_rows]
        # Rows by feature and value.
        self.values: dict[str, dict[str, int]] = {}
        for row in 1 + np.flatnonzero(is_category):
            feature, value = split_name(names[row - 1])
            self.values.setdefault(feature, {})[str(value)] = int(row)
        self.ports = {feature: f"category_{i}" for i, feature in enumerate(self.values)}
        missing = ""
        while any(missing in values for values in self.values.values()):
            missing += "?"
        self.metadata = {
            "features": numeric,
            "categories": self.ports,
            "integer_categories": list(parameters["categories"]),
            "decimal_comma": parameters["decimal_comma"],
            "missing": missing,
        }
        self.inputs = [Port("x", "double", ("batch", len(numeric)), MEANING)]
        self.inputs += [
            Port(port, "string", ("batch",), f"the category `{feature}`; what was never learned adds nothing")
            for feature, port in self.ports.items()
        ]
        self.constants: dict[str, Constant] = {}
        self.nodes: list[Node] = []
        if numeric:
            self._read_numbers()
            if standardized:
                self._standardize_numbers(parameters["clip"])
            else:
                self._clip_numbers(parameters["clip"])
        for feature, port in self.ports.items():
            self._read_category(port, self.values[feature])

    def parameters(self, name: str) -> NDArray[np.float64]:
        """Return a table of the parameters that predict."""
        return served(self.state, name)

    def _read_numbers(self) -> None:
        mean = learned(self.state, "inputs.mean")[self.numeric_rows]
        self.sd = np.sqrt(learned(self.state, "inputs.variance")[self.numeric_rows])
        # An indicator is the ratio to its mean, and 0 where it is absent.
        self.sd = np.where(self.is_indicator, mean, self.sd)
        mean = np.where(self.is_indicator, 0.0, mean)
        # A feature that never varied adds nothing, as in the learner. NaN stays NaN, so that the export is refused.
        self.inverse = np.divide(1.0, self.sd, out=np.zeros_like(self.sd), where=self.sd != 0.0)[:, np.newaxis]
        self.constants |= {"mean": mean, "insane": np.float64(INSANE)}
        self.nodes += [
            # Comparisons with NaN are false, so NaN is not sane either.
            Node("Abs", ["x"], "magnitude"),
            Node("Less", ["magnitude", "insane"], "is_sane"),
            Node("Where", ["is_sane", "x", "mean"], "present"),
            Node("Sub", ["present", "mean"], "deviation"),
        ]

    def _clip_numbers(self, clip: float) -> None:
        """Clip deviations; the tables of `sum` hold the division by the standard deviations."""
        limit = clip * np.abs(self.sd)
        self.numbers = "clipped"
        self.constants |= {"highest": limit, "lowest": -limit}
        self.nodes += [
            Node("Min", ["deviation", "highest"], "not_above"),
            Node("Max", ["not_above", "lowest"], self.numbers),
        ]

    def _standardize_numbers(self, clip: float) -> None:
        """Standardize and clip the numbers in the learner's own order, which gives the same bits."""
        self.numbers = "z"
        # As a matrix where there is one column: onnxruntime drops a product with a constant that rounds to 1.
        single = len(self.inverse) == 1
        self.constants |= {
            "inverse": self.inverse if single else self.inverse[:, 0],
            "clip": np.float64(clip),
            "negative_clip": np.float64(-clip),
        }
        self.inverse = np.ones_like(self.inverse)
        self.nodes += [
            Node("MatMul" if single else "Mul", ["deviation", "inverse"], "standardized"),
            Node("Min", ["standardized", "clip"], "not_above"),
            Node("Max", ["not_above", "negative_clip"], self.numbers),
        ]

    def rows(self, name: str, vector: str, width: int) -> str:
        """Add nodes that repeat a vector of `width` numbers for each event; returns the name, for (batch, width)."""
        self.constants[f"{name}_width"] = np.array([width])
        self.nodes += [
            Node("Shape", ["x"], f"{name}_count", {"start": 0, "end": 1}),
            Node("Concat", [f"{name}_count", f"{name}_width"], f"{name}_shape", {"axis": 0}),
            Node("Expand", [vector, f"{name}_shape"], name),
        ]
        return name

    def _read_category(self, port: str, values: Mapping[str, int]) -> None:
        # Gather fails or wraps around at a row out of range, so an unknown value gets row 0, which adds nothing.
        attributes = {
            "keys_strings": list(values),
            "values_int64s": list(range(1, len(values) + 1)),
            "default_int64": 0,
        }
        self.nodes.append(Node("LabelEncoder", [port], f"{port}_row", attributes, ML))

    def sum(self, name: str, table: NDArray[np.float64], *, power: int = 1) -> str:
        """Add nodes for ``Σ z ** power row`` over all features, where z is 1 for a category.

        Args:
            name: Name of the result, and prefix of the names of intermediate results.
            table: Parameters of each feature, shape (n_rows, width); row 0 is not used.
            power: 1 or 2.

        Returns:
            The name of the result, of shape (batch, width).
        """
        parts = []
        if len(self.numeric_rows):
            base = self.numbers
            if power == 2:
                base = f"{name}_squares"
                self.nodes.append(Node("Mul", [self.numbers, self.numbers], base))
            # A product with a matrix, because older runtimes refuse an empty batch in a product with a vector.
            self.constants[f"{name}_table"] = table[self.numeric_rows] * self.inverse**power
            self.nodes.append(Node("MatMul", [base, f"{name}_table"], f"{name}_of_numbers"))
            parts.append(f"{name}_of_numbers")
        for feature, port in self.ports.items():
            rows = table[list(self.values[feature].values())]
            self.constants[f"{name}_of_{port}_rows"] = np.vstack([np.zeros_like(rows[:1]), rows])
            self.nodes.append(Node("Gather", [f"{name}_of_{port}_rows", f"{port}_row"], f"{name}_of_{port}"))
            parts.append(f"{name}_of_{port}")
        if not parts:
            # Runtimes disagree about matrices without columns, so only the number of rows of `x` is used.
            self.constants[f"{name}_of_none"] = np.zeros(1)
            return self.rows(name, f"{name}_of_none", table.shape[1])
        total = parts[0]
        for part in parts[1:]:
            self.nodes.append(Node("Add", [total, part], f"{total}_and_more"))
            total = f"{total}_and_more"
        return total

    def finish(self, score: str, intercept: float, link: Link) -> Graph:
        """Add the nodes from a score of shape (batch, 1) to the prediction, and return the whole graph."""
        self.constants |= {"column": np.array([1]), "intercept": np.float64(intercept + link.shift), **link.constants}
        self.nodes += [Node("Squeeze", [score, "column"], "slope"), *link.nodes("slope")]
        return Graph(self.inputs, self.nodes, self.constants, self.metadata)


class Link:
    """Link function from a learner's score to its prediction.

    The caller multiplies the parameters by `scale`, rather than the score: onnxruntime drops a product with a single
    constant that is 1 when rounded to 32 bits. `shift` is part of the one sum with a constant at the very end, because
    onnxruntime also drops a sum whose constant rounds to 0.

    ::

        prediction = mean_y + sd_y f                scale = sd_y, shift = mean_y, f within ±1e100
        prediction = 1 / (1 + exp(-f))              scale = 1, shift = 0
        prediction = exp(log mean_y + min(f, 20))   scale = 1, shift = log mean_y
    """

    def __init__(self, learner: Learner, state: Mapping[str, Any]) -> None:
        loss = learner.get_params()["loss"]
        mean = float(learned(state, "target.mean")[0])
        self.scale, self.shift = 1.0, 0.0
        self.constants: dict[str, Constant] = {}
        if loss.binary:
            self.kind = "logistic"
            self.constants |= sigmoid("score", "prediction")[1]
        elif loss.rule == "poisson":
            self.kind = "exponential"
            # With a mean of 0 the prediction is 0 for every score, as the exponential of this shift is.
            self.shift = -10_000.0 if mean == 0.0 else math.log(mean) if mean > 0.0 else math.nan
            self.constants["highest_score"] = np.float64(self.shift + 20.0)
        else:
            self.kind = "identity"
            # If the target never varied, the scale is 0 and the mean remains.
            self.scale, self.shift = float(np.sqrt(learned(state, "target.variance")[0])), mean
            # The learner bounds its scores, which matters where learning went astray.
            self.constants["prediction_max"] = np.float64(self.shift + self.scale * SCORE_MAX)
            self.constants["prediction_min"] = np.float64(self.shift - self.scale * SCORE_MAX)

    def nodes(self, slope: str) -> Iterator[Node]:
        """Yield the operators from a score without its constant part to ``prediction``."""
        if self.kind == "identity":
            yield Node("Add", [slope, "intercept"], "unbounded")
            yield Node("Min", ["unbounded", "prediction_max"], "below_max")
            yield Node("Max", ["below_max", "prediction_min"], "prediction")
            return
        yield Node("Add", [slope, "intercept"], "score")
        if self.kind == "logistic":
            yield from sigmoid("score", "prediction")[0]
        else:
            yield Node("Min", ["score", "highest_score"], "bounded_score")
            yield Node("Exp", ["bounded_score"], "prediction")


def feed(metadata: Mapping[str, str], events: Events) -> dict[str, Array]:
    """Return the inputs of a graph of named features: a row per event, and a string per event and category.

    Raises:
        InvalidEventError: If an event has no object `x`, or a value in it is neither a number nor text.
    """
    features: list[Mapping[str, Any]] = []
    for event in events:
        x = event.get("x")
        if not isinstance(x, Mapping):
            raise InvalidEventError("no_features", f"An event of a regression needs an object `x`. Got {event!r}.")
        features.append(x)
    try:
        return prepare(metadata, features)
    except ValueError as error:
        raise InvalidEventError("not_a_number", str(error)) from error

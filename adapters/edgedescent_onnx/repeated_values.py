"""Part of ONNX graphs with the values that come again as inputs of their own, as in `edgedescent.ensemble`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgedescent_onnx.features import FeatureGraph
from edgedescent_onnx.graph import DOUBLE, Node

TAKES_PART = 1
"""Part of a feature whose values are inputs, as in `edgedescent/ensemble/_repeated_values.pyx`."""


class RepeatedValuesGraph:
    """One-hot encoding of the features that have few whole numbers.

    Args:
        graph: Features.
    """

    def __init__(self, graph: FeatureGraph) -> None:
        self._graph = graph
        rows, parts = graph.state["values.rows"], graph.state["values.parts"]
        columns = {int(row): column for column, row in enumerate(graph.numeric_rows)}
        self.places = [place for place, row in enumerate(rows.tolist()) if row in columns and parts[row] == TAKES_PART]
        """Places of the values that are inputs."""
        self._columns = np.array([columns[int(rows[place])] for place in self.places], dtype=np.int64)

    def add_to(self, total: str, table: NDArray[np.float64]) -> str:
        """Add nodes for the sum of `total` and the rows of the values that an event has.

        Args:
            total: Name of what is added to, of shape (batch, width).
            table: Parameters of each value, shape (n_places, width).

        Returns:
            The name of the result.
        """
        if not self.places:
            return total
        graph = self._graph
        graph.constants |= {
            "value_columns": self._columns,
            "repeated_values": graph.state["values.values"][self.places],
            "value_table": table,
        }
        graph.nodes += [
            Node("Gather", ["x", "value_columns"], "values_of_columns", {"axis": 1}),
            # A missing value, which is NaN, equals none.
            Node("Equal", ["values_of_columns", "repeated_values"], "has_value"),
            Node("Cast", ["has_value"], "value_indicators", {"to": DOUBLE}),
            Node("MatMul", ["value_indicators", "value_table"], "of_values"),
            Node("Add", [total, "of_values"], "inputs_and_values"),
        ]
        return "inputs_and_values"

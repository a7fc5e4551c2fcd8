"""Part of ONNX graphs with the inputs of the members of an ensemble, one column each, as the learner rounds them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np

from edgedescent_onnx.features import FeatureGraph
from edgedescent_onnx.graph import FLOAT, Node


class InputColumns:
    """Lags and standardized features in single precision, to the last bit.

    Args:
        graph: Features, standardized; it has nodes for the ``lags``.
        n_lags: Number of lags, which have the first slots.
        width: Number of slots that are needed.
    """

    def __init__(self, graph: FeatureGraph, n_lags: int, width: int) -> None:
        self._graph, self._n_lags, self._width = graph, n_lags, width

    @cached_property
    def by_slot(self) -> Mapping[int, str]:
        """Names of the columns, each of shape (1, 1) or (batch, 1); adds their nodes.

        The intercept, at the slot after the lags, is the same in all events and left out.
        """
        graph, width = self._graph, self._width
        columns = {}
        # As the learner rounds them.
        graph.nodes.append(Node("Cast", ["lags"], "lags_single", {"to": FLOAT}))
        for slot in range(self._n_lags):
            columns[slot] = self._column("lags_single", slot)
        if any(self._n_lags + row < width for row in graph.numeric_rows):
            graph.nodes.append(Node("Cast", [graph.numbers], "z_single", {"to": FLOAT}))
        for column, row in enumerate(graph.numeric_rows.tolist()):
            if self._n_lags + row < width:
                columns[self._n_lags + row] = self._column("z_single", column)
        for feature, port in graph.ports.items():
            rows = list(graph.values[feature].values())
            counted = [(i, row) for i, row in enumerate(rows) if self._n_lags + row < width]
            if not counted:
                continue
            # Row 0 is for an unknown value.
            indicators = np.zeros((1 + len(rows), len(counted)), dtype=np.float32)
            graph.constants[f"{port}_indicator_rows"] = indicators
            graph.nodes.append(Node("Gather", [f"{port}_indicator_rows", f"{port}_row"], f"{port}_indicators"))
            for column, (i, category_row) in enumerate(counted):
                indicators[1 + i, column] = 1.0
                columns[self._n_lags + category_row] = self._column(f"{port}_indicators", column)
        return columns

    def _column(self, source: str, column: int) -> str:
        """Add a node for one input of all events; returns its name."""
        self._graph.constants[f"column{column}"] = np.array([column])
        name = f"{source}_{column}"
        self._graph.nodes.append(Node("Gather", [source, f"column{column}"], name, {"axis": 1}))
        return name

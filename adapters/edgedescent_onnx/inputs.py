"""Part of ONNX graphs with the inputs of the members of an ensemble, one column each, as the learner rounds them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from edgedescent_onnx.features import FeatureGraph
from edgedescent_onnx.graph import FLOAT, Node


class _Place(NamedTuple):
    """Column of a table of inputs."""

    table: str
    column: int


class InputColumns:
    """Lags and standardized features in single precision, to the last bit.

    The intercept, at the slot after the lags, is the same in all events and left out.

    Args:
        graph: Features, standardized; it has nodes for the ``lags``.
        n_lags: Number of lags, which have the first slots.
        width: Number of slots that are needed.
    """

    def __init__(self, graph: FeatureGraph, n_lags: int, width: int) -> None:
        self._graph, self._n_lags, self._width = graph, n_lags, width
        self._names: dict[int, str] = {}
        self._tables: set[str] = set()
        numeric = enumerate(graph.numeric_rows.tolist())
        places = {slot: _Place("lags_single", slot) for slot in range(n_lags)}
        places |= {n_lags + row: _Place("z_single", column) for column, row in numeric}
        for feature, port in graph.ports.items():
            for column, row in enumerate(self._counted(feature)):
                places[n_lags + row] = _Place(f"{port}_indicators", column)
        self._places = {slot: place for slot, place in places.items() if slot < width}

    @property
    def slots(self) -> Sequence[int]:
        """Slots of the inputs, in increasing order."""
        return sorted(self._places)

    def column(self, slot: int) -> str:
        """Add nodes for the input of a slot, once; returns its name, of shape (1, 1) or (batch, 1)."""
        if slot not in self._names:
            table, column = self._places[slot]
            if table not in self._tables:
                self._add_table(table)
            self._graph.constants[f"column{column}"] = np.array([column])
            self._names[slot] = f"{table}_{column}"
            self._graph.nodes.append(Node("Gather", [table, f"column{column}"], self._names[slot], {"axis": 1}))
        return self._names[slot]

    def _add_table(self, table: str) -> None:
        """Add nodes for a table of inputs, as the learner rounds them."""
        graph = self._graph
        self._tables.add(table)
        if table in ("lags_single", "z_single"):
            source = "lags" if table == "lags_single" else graph.numbers
            graph.nodes.append(Node("Cast", [source], table, {"to": FLOAT}))
            return
        feature, port = next(item for item in graph.ports.items() if table == f"{item[1]}_indicators")
        rows, counted = list(graph.values[feature].values()), self._counted(feature)
        # Row 0 is for an unknown value.
        indicators = np.zeros((1 + len(rows), len(counted)), dtype=np.float32)
        for column, row in enumerate(counted):
            indicators[1 + rows.index(row), column] = 1.0
        graph.constants[f"{port}_indicator_rows"] = indicators
        graph.nodes.append(Node("Gather", [f"{port}_indicator_rows", f"{port}_row"], table))

    def _counted(self, feature: str) -> list[int]:
        """Rows of the encoder for the values of a feature that have a slot."""
        return [row for row in self._graph.values[feature].values() if self._n_lags + row < self._width]

"""Part of ONNX graphs that finds the last label with the same value of a feature, such as a site."""

from __future__ import annotations

import numpy as np

from edgedescent_onnx.features import FeatureGraph
from edgedescent_onnx.graph import DOUBLE, Array, Node, learned
from edgedescent_onnx.label_history import LabelHistoryGraph

# As in `edgedescent/ensemble/_keyed_labels.pyx`: the gain from which on a feature can be the key, and the deviations at
# which lags are clipped.
GAIN_MIN = 0.02
LAG_CLIP = 5.0


class KeyedLabelsGraph:
    """Part of a graph that chooses the key of an event, and takes its last two labels.

    The key is the feature with the largest gain among those whose value was learned. Its labels are those of the
    snapshot: further labels come without the features that they belong to.

    Args:
        graph: Graph to which everything is added.
        labels: Labels.
    """

    n_lags = 2

    def __init__(self, graph: FeatureGraph, labels: LabelHistoryGraph) -> None:
        self._graph, self._labels = graph, labels
        self._features = np.asarray(graph.state["keys.features"])
        self._table = learned(graph.state, "keys.labels")
        self._gains = learned(graph.state, "keys.gains")[2]
        self._key = self._choose()
        self.exists = bool(self._key)

    def forecast(self) -> str:
        """Add nodes for the last label of the key, or the last label of all, of shape (batch, 1)."""
        if not self._key:
            return self._graph.rows("last_labels", self._labels.last, 1)
        self._graph.constants["label_column_of_key"] = np.array([1])
        self._graph.nodes += [
            Node("Gather", [self._key, "label_column_of_key"], "label_of_key", {"axis": 1}),
            Node("Where", ["has_key", "label_of_key", self._labels.last], "forecast_of_key"),
        ]
        return "forecast_of_key"

    def lags(self) -> str:
        """Add nodes for the lags of the key, of shape (batch, 2); without any key, of shape (1, 2)."""
        graph, labels = self._graph, self._labels
        if not self._key:
            graph.constants["lags_of_no_key"] = np.zeros((1, self.n_lags))
            return "lags_of_no_key"
        graph.constants |= {
            "gain_column": np.array([0]),
            "no_gain": np.float64(0.0),
            "last_of_key": np.array([1, 1]),
            "before_of_key": np.array([2]),
            "units_of_key": np.array([labels.deviation, labels.change]),
            "clip_of_key": np.float64(LAG_CLIP),
            "negative_clip_of_key": np.float64(-LAG_CLIP),
        }
        graph.nodes += [
            Node("Gather", [self._key, "gain_column"], "gain_of_key", {"axis": 1}),
            Node("Greater", ["gain_of_key", "no_gain"], "has_key"),
            Node("Gather", [self._key, "last_of_key"], "later_of_key", {"axis": 1}),
            Node("Gather", [self._key, "before_of_key"], "label_before_of_key", {"axis": 1}),
            Node("Concat", [graph.rows("bases", labels.last, 1), "label_before_of_key"], "earlier_of_key", {"axis": 1}),
            Node("Sub", ["later_of_key", "earlier_of_key"], "differences_of_key"),
            Node("Div", ["differences_of_key", "units_of_key"], "unclipped_of_key"),
            Node("Min", ["unclipped_of_key", "clip_of_key"], "not_above_of_key"),
            Node("Max", ["not_above_of_key", "negative_clip_of_key"], "clipped_of_key"),
            Node("Where", ["has_key", "clipped_of_key", "no_gain"], "lags_of_key"),
        ]
        return "lags_of_key"

    def _choose(self) -> str:
        """Add nodes for gain, label and the label before it of the key, of shape (batch, 3); zeros without a key.

        Returns:
            The name of the result; empty if no feature can be the key.
        """
        graph = self._graph
        found = []
        for column, row in enumerate(graph.numeric_rows.tolist()):
            values, labels = self._entries(row)
            if len(values):
                name = f"key_of_input{column}"
                graph.constants |= {
                    f"{name}_column": np.array([column]),
                    f"{name}_values": values,
                    f"{name}_labels": labels,
                }
                graph.nodes += [
                    Node("Gather", ["x", f"{name}_column"], f"{name}_value", {"axis": 1}),
                    Node("Equal", [f"{name}_value", f"{name}_values"], f"{name}_is_value"),
                    Node("Cast", [f"{name}_is_value"], f"{name}_indicators", {"to": DOUBLE}),
                    # One of the values at most is equal.
                    Node("MatMul", [f"{name}_indicators", f"{name}_labels"], name),
                ]
                found.append(name)
        for feature, port in graph.ports.items():
            rows = list(graph.values[feature].values())
            table = np.zeros((1 + len(rows), 3))
            for i, row in enumerate(rows):
                values, labels = self._entries(row)
                if len(values):
                    table[1 + i] = labels[0]
            if table.any():
                graph.constants[f"key_of_{port}_labels"] = table
                graph.nodes.append(Node("Gather", [f"key_of_{port}_labels", f"{port}_row"], f"key_of_{port}"))
                found.append(f"key_of_{port}")
        best = found[0] if found else ""
        for name in found[1:]:
            graph.constants["gain_column"] = np.array([0])
            graph.nodes += [
                Node("Gather", [best, "gain_column"], f"{name}_other_gain", {"axis": 1}),
                Node("Gather", [name, "gain_column"], f"{name}_gain", {"axis": 1}),
                Node("Greater", [f"{name}_gain", f"{name}_other_gain"], f"{name}_is_better"),
                Node("Where", [f"{name}_is_better", name, best], f"{name}_or_other"),
            ]
            best = f"{name}_or_other"
        return best

    def _entries(self, row: int) -> tuple[Array, Array]:
        """Return the known values of a feature, and gain, label and the label before it for each; none for no key."""
        places = np.flatnonzero(self._features == row) if self._gains[row] > GAIN_MIN else np.zeros(0, dtype=np.int64)
        values, last, before = self._table[:, places]
        return values, np.column_stack([np.full_like(last, self._gains[row]), last, before])

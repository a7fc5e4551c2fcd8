"""Part of ONNX graphs that searches the nearest of stored events, and averages their labels."""

from __future__ import annotations

import numpy as np

from edgedescent_onnx.features import FeatureGraph
from edgedescent_onnx.graph import DOUBLE, Node, learned
from edgedescent_onnx.inputs import InputColumns

# As in `edgedescent/ensemble/_neighbours.pyx`: the addition to distances, and the number of events that say nothing.
SOFTENING = 0.01
HELD_MIN = 10


class NeighboursGraph:
    """Part of a graph that predicts by the nearest of the stored events.

    Which events are the nearest must not depend on rounding: labels of a few values give many events at the same
    distance, or nearly so, and the labels of these differ. So the distances are in single precision and summed in the
    order of the learner, which gives the same bits. Of events at equal distances both take those that are stored first.

    Args:
        graph: Features, standardized.
        inputs: Inputs by slot.
        k: Number of neighbours.
    """

    def __init__(self, graph: FeatureGraph, inputs: InputColumns, k: int) -> None:
        state = graph.state
        self._graph, self._columns = graph, inputs
        self._inputs = np.asarray(state["neighbours.inputs"], dtype=np.float32)
        self._k = min(k, len(self._inputs))
        self.has_enough = len(self._inputs) > HELD_MIN

    def predictions(self, last: str) -> str:
        """Add nodes for the two predictions.

        Args:
            last: Name of the last label, of one element.

        Returns:
            The name of the result, of shape (batch, 2): by the change and by the label.
        """
        graph, state = self._graph, self._graph.state
        graph.constants |= {
            "n_neighbours": np.array([self._k]),
            "softening": np.float64(SOFTENING),
            "over_neighbours": np.array([1]),
            "further_row": np.zeros((1, len(self._inputs)), dtype=np.float32),
            "first_row": np.array([0]),
            "last_row": np.array([-1]),
            "by_row": np.array([0]),
            "stored_changes": learned(state, "neighbours.changes"),
            "stored_labels": learned(state, "neighbours.labels"),
        }
        distances = self._distances()
        graph.nodes += [
            # With a row more: a TopK of no rows ends the process in onnxruntime 1.22 and earlier (division by zero).
            Node("Concat", [distances, "further_row"], "distances_and_more", {"axis": 0}),
            Node(
                "TopK",
                ["distances_and_more", "n_neighbours"],
                "nearest_and_more",
                {"axis": 1, "largest": 0, "sorted": 1},
                further_outputs=["nearest_places_and_more"],
            ),
            Node("Slice", ["nearest_and_more", "first_row", "last_row", "by_row"], "nearest_single"),
            Node("Slice", ["nearest_places_and_more", "first_row", "last_row", "by_row"], "nearest_places"),
            Node("Cast", ["nearest_single"], "nearest", {"to": DOUBLE}),
            Node("Add", ["nearest", "softening"], "softened"),
            Node("Reciprocal", ["softened"], "closeness"),
            Node("ReduceSum", ["closeness", "over_neighbours"], "closeness_of_all"),
        ]
        for what in ("changes", "labels"):
            graph.nodes += [
                Node("Gather", [f"stored_{what}", "nearest_places"], f"near_{what}"),
                Node("Mul", ["closeness", f"near_{what}"], f"weighted_near_{what}"),
                Node("ReduceSum", [f"weighted_near_{what}", "over_neighbours"], f"sum_of_{what}"),
                Node("Div", [f"sum_of_{what}", "closeness_of_all"], f"mean_of_{what}"),
            ]
        graph.nodes += [
            Node("Add", [last, "mean_of_changes"], "by_change"),
            Node("Concat", ["by_change", "mean_of_labels"], "neighbour_predictions", {"axis": 1}),
        ]
        return "neighbour_predictions"

    def _distances(self) -> str:
        """Add nodes for the squared distances of each event of the batch to each stored one, in single precision."""
        total = ""
        # In the order of the slots, as the learner adds them.
        for slot in self._columns.slots:
            query = self._columns.column(slot)
            name = f"input{slot}"
            self._graph.constants[f"stored_{name}"] = np.ascontiguousarray(self._inputs[:, slot])
            self._graph.nodes += [
                Node("Sub", [f"stored_{name}", query], f"{name}_difference"),
                Node("Mul", [f"{name}_difference"] * 2, f"{name}_square"),
            ]
            if total:
                self._graph.nodes.append(Node("Add", [total, f"{name}_square"], f"distance_with_{name}"))
                total = f"distance_with_{name}"
            else:
                total = f"{name}_square"
        # Where only lags count, all events of the batch may have the same distances.
        return self._graph.rows("distances", total, len(self._inputs))

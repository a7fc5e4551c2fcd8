"""Part of ONNX graphs that corrects the prediction of a mixture by boosted trees."""

from __future__ import annotations

import numpy as np

from edgedescent_onnx.features import FeatureGraph
from edgedescent_onnx.graph import FLOAT, INT64, Node, learned
from edgedescent_onnx.inputs import InputColumns
from edgedescent_onnx.label_history import LabelHistoryGraph

# As in `edgedescent/ensemble/_boosted_trees.pyx`: the levels of a tree, the slots before those of the mixture, and the
# bound on these inputs.
DEPTH = 4
SLOTS = 64
CLIP = 10.0


class BoostedTreesGraph:
    """Part of a graph that adds the leaves of all trees to the prediction of a mixture.

    A tree of depth 4 is complete, so that node i has the children 2 i + 1 and 2 i + 2. All nodes of all trees compare
    their input with their threshold at once, in single precision as the learner does; then four steps go down in all
    trees together. TreeEnsembleRegressor is not used: its result is in single precision.

    Args:
        graph: Features, standardized.
        labels: Labels.
        inputs: Inputs by slot.
    """

    def __init__(self, graph: FeatureGraph, labels: LabelHistoryGraph, inputs: InputColumns) -> None:
        self._graph, self._labels, self._inputs = graph, labels, inputs
        self._slots = np.asarray(graph.state["trees.slots"])
        self._values = learned(graph.state, "trees.values")

    def corrected(self, mixed: str) -> str:
        """Add nodes for the corrected prediction.

        Args:
            mixed: Name of the prediction of the mixture, of shape (batch, 1).

        Returns:
            The name of the result, of the same shape.
        """
        graph, n_trees = self._graph, len(self._slots)
        if not n_trees:
            return mixed
        leaf = self._leaf(self._comparisons(mixed))
        graph.constants |= {
            "leaf_starts": (np.arange(n_trees) * self._values.shape[1])[np.newaxis, :, np.newaxis],
            "leaf_values": self._values.ravel(),
            "by_tree": np.array([1]),
            "correction_unit": np.float64(self._labels.change),
        }
        graph.nodes += [
            Node("Add", [leaf, "leaf_starts"], "leaf_places"),
            Node("Gather", ["leaf_values", "leaf_places"], "reached_values"),
            Node("ReduceSum", ["reached_values", "by_tree"], "sum_of_trees", {"keepdims": 0}),
            Node("Mul", ["sum_of_trees", "correction_unit"], "correction"),
            Node("Add", [mixed, "correction"], "corrected"),
        ]
        return "corrected"

    def _comparisons(self, mixed: str) -> str:
        """Add nodes for whether each node of a tree sends an event to the right, of shape (batch, n_trees, n_nodes)."""
        graph, state = self._graph, self._graph.state
        used = np.unique(self._slots)
        columns = [
            self._of_mixture(slot, mixed) if slot >= SLOTS else self._inputs.column(slot) for slot in used.tolist()
        ]
        graph.constants |= {
            "node_inputs": np.searchsorted(used, self._slots.ravel()),
            "node_thresholds": np.asarray(state["trees.thresholds"], dtype=np.float32).ravel(),
            # The first number stands for that of the events.
            "nodes_of_trees": np.array([0, *self._slots.shape]),
        }
        graph.nodes.append(Node("Shape", [mixed], "shape_of_column"))
        for column in columns:
            graph.nodes.append(Node("Expand", [column, "shape_of_column"], f"{column}_of_rows"))
        graph.nodes += [
            Node("Concat", [f"{column}_of_rows" for column in columns], "tree_inputs", {"axis": 1}),
            Node("Gather", ["tree_inputs", "node_inputs"], "compared", {"axis": 1}),
            Node("Greater", ["compared", "node_thresholds"], "goes_right"),
            Node("Cast", ["goes_right"], "goes_right_number", {"to": INT64}),
            Node("Reshape", ["goes_right_number", "nodes_of_trees"], "turns"),
        ]
        return "turns"

    def _of_mixture(self, slot: int, mixed: str) -> str:
        """Add nodes for an input that comes from the mixture; returns its name."""
        graph, labels, name = self._graph, self._labels, f"mixed{slot}"
        origin = labels.last if slot == SLOTS else labels.back("label_center", [0])
        graph.constants |= {
            f"{name}_unit": np.float64(labels.change if slot == SLOTS else labels.deviation),
            "mixed_clip": np.float64(CLIP),
            "negative_mixed_clip": np.float64(-CLIP),
        }
        graph.nodes += [
            Node("Sub", [mixed, origin], f"{name}_difference"),
            Node("Div", [f"{name}_difference", f"{name}_unit"], f"{name}_unclipped"),
            Node("Min", [f"{name}_unclipped", "mixed_clip"], f"{name}_not_above"),
            Node("Max", [f"{name}_not_above", "negative_mixed_clip"], f"{name}_clipped"),
            Node("Cast", [f"{name}_clipped"], name, {"to": FLOAT}),
        ]
        return name

    def _leaf(self, turns: str) -> str:
        """Add nodes that go down from the roots; returns the name of the leaves, of shape (batch, n_trees, 1)."""
        graph = self._graph
        graph.constants |= {
            "root_start": np.array([0]),
            "root_end": np.array([1]),
            "by_node": np.array([2]),
            "two": np.array(2),
        }
        graph.nodes.append(Node("Slice", [turns, "root_start", "root_end", "by_node"], "turn0"))
        reached = "turn0"
        for level in range(1, DEPTH):
            graph.constants[f"first_of_level{level}"] = np.array(2**level - 1)
            graph.nodes += [
                Node("Add", [reached, f"first_of_level{level}"], f"node_of_level{level}"),
                Node("GatherElements", [turns, f"node_of_level{level}"], f"turn{level}", {"axis": 2}),
                Node("Mul", [reached, "two"], f"left_of_level{level}"),
                Node("Add", [f"left_of_level{level}", f"turn{level}"], f"reached{level}"),
            ]
            reached = f"reached{level}"
        return reached

"""ONNX graph of `AutoRegressor`, from raw features and the latest labels to the prediction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import numpy as np
from numpy.typing import NDArray

from edgedescent import AutoRegressor
from edgedescent.ensemble.members import Members
from edgedescent.learners import Learner
from edgedescent_onnx.boosted_trees import SLOTS, BoostedTreesGraph
from edgedescent_onnx.features import FeatureGraph, feed
from edgedescent_onnx.graph import Array, Events, Graph, Node, learned
from edgedescent_onnx.inputs import InputColumns
from edgedescent_onnx.keyed_labels import KeyedLabelsGraph
from edgedescent_onnx.label_history import PORT, LabelHistoryGraph
from edgedescent_onnx.neighbours import NeighboursGraph
from edgedescent_onnx.repeated_values import RepeatedValuesGraph

SHARE = 0.0002
"""Part of the weight that all experts share equally, as in `edgedescent/ensemble/_regret_weights.pyx`."""

# Part of the model card.
USAGE = """\
from pathlib import Path

import onnxruntime
from edgedescent_onnx import prepare  # or a copy of edgedescent_onnx/serving.py, which needs NumPy alone

session = onnxruntime.InferenceSession(Path("model.onnx").read_bytes(), providers=["CPUExecutionProvider"])
metadata = session.get_modelmeta().custom_metadata_map
events = [{"temp": 20.1, "humidity": 0.6, "site": "north"}, {"temp": 4.0}]
labels = []  # those that came since the snapshot, oldest first
print(session.run(["prediction"], prepare(metadata, events, labels))[0].tolist())
"""


class AutoGraph:
    """Graph of a mixture of simple, linear, network and neighbour members.

    ::

        p_i = base + d f_i(z)  or  mean + s f_i(z)           for each member, within the range of the labels
        p = Σ w_i p_i                                        over the members and the stacks on them
        prediction = u_0 p + u_1 (p + d Σ_k v_k(z, p))       the second one corrected by boosted trees

    The weights of the members, of the stacks and of the mixture are as they were at the snapshot. The base, which is
    the last label, and what else is taken from the labels follow the input ``labels``.
    """

    learner: type[Learner] = AutoRegressor
    usage = USAGE

    def build(self, learner: Learner) -> Graph:
        """Return the graph of the learner's present state."""
        graph = FeatureGraph(learner, standardized=True)
        labels = LabelHistoryGraph(graph)
        if learned(graph.state, "mixture.numbers")[2] == 0.0:
            # Without anything learned, the members do not count.
            graph.nodes += [
                Node("Shape", ["x"], "batch_size", {"start": 0, "end": 1}),
                Node("Expand", [labels.last, "batch_size"], "prediction"),
            ]
        else:
            specification = cast("AutoRegressor", learner).present_members
            members = _Members(graph, labels, specification)
            mixed = _mix(graph, labels, members.predictions())
            if specification.trees is not None:
                mixed = _choose(graph, labels, mixed, BoostedTreesGraph(graph, labels, members.inputs).corrected(mixed))
            graph.nodes.append(Node("Squeeze", [mixed, "mixed"], "prediction"))
        return Graph(graph.inputs, graph.nodes, graph.constants, {**graph.metadata, PORT: labels.metadata})

    def feed(self, metadata: Mapping[str, str], events: Events) -> dict[str, Array]:
        """Return one row per event, NaN where it lacks a feature, and no labels."""
        return feed(metadata, events)


class _Members:
    """Part of a graph with the predictions of the members.

    Args:
        graph: Features.
        labels: Labels.
        specification: What members there are.
    """

    def __init__(self, graph: FeatureGraph, labels: LabelHistoryGraph, specification: Members) -> None:
        self._graph, self._labels, self._specification = graph, labels, specification
        self._state = graph.state
        self._keyed = KeyedLabelsGraph(graph, labels)
        self._values = RepeatedValuesGraph(graph)
        self._n_lags = len(learned(self._state, "squares0.weights")) - len(self._state["features"]) - 1
        self.inputs = InputColumns(graph, self._n_lags, SLOTS)

    def predictions(self) -> str:
        """Add nodes for the predictions of all members, within their bounds.

        Returns:
            The name of the result, of shape (batch, n_members).
        """
        graph, labels = self._graph, self._labels
        outputs = self._outputs(self._lags())
        on_change = [one.on_change for one in self._specification.squares]
        on_change += [one.on_change for one in self._specification.networks]
        origins = labels.back("origins", [1 if change else 0 for change in on_change])
        units = [labels.change if change else labels.deviation for change in on_change]
        graph.constants["output_units"] = np.array(units)
        graph.nodes += [
            Node("Mul", [outputs, "output_units"], "scaled_outputs"),
            Node("Add", ["scaled_outputs", origins], "learned_predictions"),
        ]
        parts = [
            graph.rows("means_of_rows", labels.means(), 4),
            self._keyed.forecast(),
            graph.rows("seasonal_of_rows", labels.seasonal(), 2 * len(labels.periods)),
            "learned_predictions",
        ]
        if self._specification.neighbours:
            neighbours = NeighboursGraph(graph, self.inputs, self._specification.neighbours)
            enough = neighbours.has_enough
            parts.append(neighbours.predictions(labels.last) if enough else graph.rows("no_neighbours", labels.last, 2))
        labels.read_bounds()
        graph.nodes.append(Node("Concat", parts, "unbounded", {"axis": 1}))
        return _bounded(graph, labels, "unbounded", "members")

    def _lags(self) -> str:
        """Add nodes for the lags of the labels and of the key, of shape (batch, n_lags) or (1, n_lags)."""
        graph, own, of_key = self._graph, self._labels.lags(), self._keyed.lags()
        if self._keyed.exists:
            row = graph.rows("own_lags_of_rows", own, self._labels.n_lags)
        else:
            row = "own_lag_row"
            graph.constants["lag_axis"] = np.array([0])
            graph.nodes.append(Node("Unsqueeze", [own, "lag_axis"], row))
        graph.nodes.append(Node("Concat", [row, of_key], "lags", {"axis": 1}))
        return "lags"

    def _outputs(self, lags: str) -> str:
        """Add nodes for the outputs of least squares and networks, of shape (batch, n_members), in their own units.

        All of them take the same inputs, so their weights of these are one table. Its columns are those of least
        squares, the direct ones of the networks, and the units of their first layers.
        """
        graph, networks = self._graph, self._specification.networks
        n_squares = len(self._specification.squares)
        squares = [self._weights(f"squares{i}.weights")[:, np.newaxis] for i in range(n_squares)]
        skips = [self._network_weights(i, "skip_average")[:, np.newaxis] for i in range(len(networks))]
        firsts = [self._network_weights(i, "first_average") for i in range(len(networks))]
        table = np.hstack([*squares, *skips, *firsts])
        of_values = [np.zeros((len(self._values.places), n_squares))]
        of_values += [self._value_weights(i, "skip_average")[:, np.newaxis] for i in range(len(networks))]
        of_values += [self._value_weights(i, "first_average") for i in range(len(networks))]
        features = self._values.add_to(graph.sum("inputs", table[self._n_lags :]), np.hstack(of_values))
        graph.constants |= {
            "lag_table": table[: self._n_lags],
            "intercepts": table[self._n_lags],
        }
        graph.nodes += [
            Node("MatMul", [lags, "lag_table"], "of_lags"),
            Node("Add", ["of_lags", "intercepts"], "constant_part"),
            Node("Add", [features, "constant_part"], "first_sums"),
        ]
        start = n_squares + len(networks)
        through = []
        for i, network in enumerate(networks):
            hidden = self._columns(f"network{i}_sum", start, start + network.hidden[0])
            through.append(self._through_layers(i, hidden))
            start += network.hidden[0]
        direct = self._columns("direct", n_squares, n_squares + len(networks))
        linear = self._columns("linear_outputs", 0, n_squares)
        graph.nodes += [
            Node("Concat", through, "through_layers", {"axis": 1}),
            Node("Add", [direct, "through_layers"], "network_outputs"),
            Node("Concat", [linear, "network_outputs"], "outputs", {"axis": 1}),
        ]
        return "outputs"

    def _through_layers(self, number: int, name: str) -> str:
        """Add nodes from the sums of a network's first layer to its output, without the direct part."""
        graph, prefix = self._graph, f"network{number}"
        hidden = self._specification.networks[number].hidden
        rest = self._weights(f"{prefix}.rest_average")
        active = f"{prefix}_active0"
        graph.nodes.append(Node("Relu", [name], active))
        if len(hidden) > 1:
            n, width = hidden
            layer, rest = rest[: (n + 1) * width].reshape(n + 1, width), rest[(n + 1) * width :]
            graph.constants |= {f"{prefix}_bias": layer[0], f"{prefix}_weights": layer[1:]}
            graph.nodes += [
                Node("MatMul", [active, f"{prefix}_weights"], f"{prefix}_products"),
                Node("Add", [f"{prefix}_products", f"{prefix}_bias"], f"{prefix}_sum1"),
                Node("Relu", [f"{prefix}_sum1"], f"{prefix}_active1"),
            ]
            active = f"{prefix}_active1"
        graph.constants |= {f"{prefix}_output_bias": rest[:1], f"{prefix}_output_weights": rest[1:, np.newaxis]}
        graph.nodes += [
            Node("MatMul", [active, f"{prefix}_output_weights"], f"{prefix}_through"),
            Node("Add", [f"{prefix}_through", f"{prefix}_output_bias"], f"{prefix}_output"),
        ]
        return f"{prefix}_output"

    def _weights(self, name: str) -> NDArray[np.float64]:
        return learned(self._state, name)

    def _network_weights(self, number: int, name: str) -> NDArray[np.float64]:
        """Return weights of a network's inputs but for repeated values, those of lags that it does not use as 0."""
        weights = self._weights(f"network{number}.{name}")[self._n_values(number) :]
        weights[self._specification.networks[number].n_lags : self._n_lags] = 0.0
        return weights

    def _value_weights(self, number: int, name: str) -> NDArray[np.float64]:
        """Return weights of a network for the repeated values, which are 0 if it does not take them."""
        n_values = self._n_values(number)
        # The last place is the first in the state.
        weights = self._weights(f"network{number}.{name}")[:n_values][::-1]
        if not n_values:
            return np.zeros((len(self._values.places), *weights.shape[1:]))
        return weights[self._values.places]

    def _n_values(self, number: int) -> int:
        """Return the number of places of repeated values that a network has weights for."""
        return len(self._state["values.rows"]) if self._specification.networks[number].takes_values else 0

    def _columns(self, name: str, start: int, end: int) -> str:
        """Add a node for columns of the sums over the inputs."""
        graph = self._graph
        graph.constants |= {
            f"{name}_start": np.array([start]),
            f"{name}_end": np.array([end]),
            "columns": np.array([1]),
        }
        graph.nodes.append(Node("Slice", ["first_sums", f"{name}_start", f"{name}_end", "columns"], name))
        return name


def _mix(graph: FeatureGraph, labels: LabelHistoryGraph, members: str) -> str:
    """Add nodes from the predictions of the members to that of the mixture, of shape (batch, 1); returns its name.

    The stacks predict differences to the last label from the differences of the members to it. The scale of both
    cancels out.
    """
    state = graph.state
    stacks: list[NDArray[np.float64]] = []
    while (name := f"stack{len(stacks)}.weights") in state:
        stacks.append(learned(state, name)[:, np.newaxis])
    graph.constants["mixed"] = np.array([1])
    experts = members
    if stacks:
        experts = "experts"
        graph.constants["stack_weights"] = np.hstack(stacks)
        graph.nodes += [
            Node("Sub", [members, labels.last], "member_changes"),
            Node("MatMul", ["member_changes", "stack_weights"], "stacked_changes"),
            Node("Add", ["stacked_changes", labels.last], "stacked"),
        ]
        stacks_in_bounds = _bounded(graph, labels, "stacked", "stacks")
        graph.nodes.append(Node("Concat", [members, stacks_in_bounds], experts, {"axis": 1}))
    return _weighted(graph, labels, "mixture", experts)


def _choose(graph: FeatureGraph, labels: LabelHistoryGraph, mixed: str, corrected: str) -> str:
    """Add nodes from the prediction of the mixture and the corrected one to their own mixture; returns its name."""
    bounded = _bounded(graph, labels, corrected, "corrected_in_bounds")
    graph.nodes.append(Node("Concat", [mixed, bounded], "choices", {"axis": 1}))
    return _weighted(graph, labels, "choice", "choices")


def _weighted(graph: FeatureGraph, labels: LabelHistoryGraph, mixture: str, experts: str) -> str:
    """Add nodes for the weighted sum of a mixture's experts and its shift, of shape (batch, 1); returns its name."""
    weights, shift, column = _weights_of(graph, mixture), learned(graph.state, f"{mixture}.shift"), f"{mixture}_column"
    if shift.any():
        # As the weight of an expert that is always 1: a runtime may round a single number that is added to 32 bits.
        graph.constants["always_one"] = np.ones(1)
        ones = graph.rows(f"{mixture}_ones", "always_one", 1)
        graph.nodes.append(Node("Concat", [experts, ones], f"{mixture}_experts", {"axis": 1}))
        experts, weights = f"{mixture}_experts", np.vstack([weights, shift])
    graph.constants[f"{mixture}_weights"] = weights
    graph.nodes.append(Node("MatMul", [experts, f"{mixture}_weights"], column))
    return _bounded(graph, labels, column, f"{mixture}_in_bounds") if shift.any() else column


def _weights_of(graph: FeatureGraph, mixture: str) -> NDArray[np.float64]:
    """Return the weights of the experts of a mixture, as a column."""
    of_rules = _by_regret(*learned(graph.state, f"{mixture}.regrets"))
    trust = _by_regret(*learned(graph.state, f"{mixture}.rules"))
    return (trust @ of_rules).reshape(-1, 1)


def _by_regret(regrets: NDArray[np.float64], squares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the weights that follow regrets, along the last axis."""
    weights: NDArray[np.float64] = np.maximum(regrets, 0.0) / (1.0 + squares)
    total, n = weights.sum(axis=-1, keepdims=True), weights.shape[-1]
    weights = np.where(total > 0.0, weights / np.where(total > 0.0, total, 1.0), 1.0 / n)
    weights += SHARE * (1.0 / n - weights)
    return weights


def _bounded(graph: FeatureGraph, labels: LabelHistoryGraph, predictions: str, result: str) -> str:
    """Add nodes that move predictions within their bounds; what is no number becomes the last label."""
    graph.nodes += [
        Node("IsNaN", [predictions], f"{result}_broken"),
        Node("Where", [f"{result}_broken", labels.last, predictions], f"{result}_repaired"),
        Node("Min", [f"{result}_repaired", labels.largest], f"{result}_not_above"),
        Node("Max", [f"{result}_not_above", labels.least], result),
    ]
    return result

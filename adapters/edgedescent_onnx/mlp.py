"""ONNX graph of `MLPRegressor`, from raw features to the prediction."""

from __future__ import annotations

from collections.abc import Mapping

from edgedescent import MLPRegressor
from edgedescent.learners import Learner
from edgedescent_onnx.features import USAGE, FeatureGraph, Link, feed
from edgedescent_onnx.graph import Array, Events, Graph, Node


class MLPGraph:
    """Graph of a network with a linear model beside its hidden layers.

    ::

        f = b + u z + v relu(W relu(W z + b) + b)
    """

    learner: type[Learner] = MLPRegressor
    usage = USAGE

    def build(self, learner: Learner) -> Graph:
        """Return the graph of the learner's present state."""
        graph = FeatureGraph(learner)
        link = Link(learner, graph.state)
        skip = link.scale * graph.parameters("skip")
        output = link.scale * graph.parameters("output")
        first = graph.parameters("layer0")
        direct = graph.sum("direct", skip)
        through = graph.sum("layer0_sum", first)
        graph.constants["layer0_bias"] = first[0]
        graph.nodes += [Node("Add", [through, "layer0_bias"], "layer0"), Node("Relu", ["layer0"], "active0")]
        n_layers = len(learner.get_params()["hidden"])
        for i in range(1, n_layers):
            weights = graph.parameters(f"layer{i}")
            graph.constants |= {f"layer{i}_weights": weights[1:], f"layer{i}_bias": weights[0]}
            graph.nodes += [
                Node("MatMul", [f"active{i - 1}", f"layer{i}_weights"], f"layer{i}_sum"),
                Node("Add", [f"layer{i}_sum", f"layer{i}_bias"], f"layer{i}"),
                Node("Relu", [f"layer{i}"], f"active{i}"),
            ]
        graph.constants["output_weights"] = output[1:]
        graph.nodes += [
            Node("MatMul", [f"active{n_layers - 1}", "output_weights"], "through_layers"),
            Node("Add", [direct, "through_layers"], "score_column"),
        ]
        return graph.finish("score_column", output[0, 0], link)

    def feed(self, metadata: Mapping[str, str], events: Events) -> dict[str, Array]:
        """Return one row per event, NaN where it lacks a feature."""
        return feed(metadata, events)

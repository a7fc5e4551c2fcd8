"""ONNX graph of `FactorizationMachine`, from raw features to the prediction."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgedescent import FactorizationMachine
from edgedescent.learners import Learner
from edgedescent_onnx.features import USAGE, FeatureGraph, Link, feed
from edgedescent_onnx.graph import Array, Events, Graph, Node


class FactorizationMachineGraph:
    """Graph of a factorization machine, whose sum over pairs of features takes linear time.

    ::

        f = w₀ + Σ w z + ½ Σ_k ((Σ v_k z)² - Σ v_k² z²)

    The factor ½ and the target's scale are in the tables: with s = √(sd_y / 2), they hold sd_y w, s v and Σ_k (s v_k)².
    """

    learner: type[Learner] = FactorizationMachine
    usage = USAGE

    def build(self, learner: Learner) -> Graph:
        """Return the graph of the learner's present state."""
        graph = FeatureGraph(learner)
        link = Link(learner, graph.state)
        table = graph.parameters("weights")
        factors = np.sqrt(link.scale / 2.0) * table[:, 1:]
        weights = link.scale * table[:, :1]
        squares = np.sum(factors**2, axis=1, keepdims=True)
        linear = graph.sum("weighted", weights)
        sums = graph.sum("factors", factors)
        itself = graph.sum("squares", squares, power=2)
        graph.constants["factor_axis"] = np.array([1])
        graph.nodes += [
            Node("Mul", [sums, sums], "squared_sums"),
            Node("ReduceSum", ["squared_sums", "factor_axis"], "all_pairs"),
            Node("Sub", ["all_pairs", itself], "pairs"),
            Node("Add", [linear, "pairs"], "score_column"),
        ]
        return graph.finish("score_column", weights[0, 0], link)

    def feed(self, metadata: Mapping[str, str], events: Events) -> dict[str, Array]:
        """Return one row per event, NaN where it lacks a feature."""
        return feed(metadata, events)

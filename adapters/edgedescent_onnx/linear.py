"""ONNX graphs of `LinearRegressor` and `LogisticRegressor`, from raw features to the prediction."""

from __future__ import annotations

from collections.abc import Mapping

from edgedescent import LinearRegressor, LogisticRegressor
from edgedescent.learners import Learner
from edgedescent_onnx.features import USAGE, FeatureGraph, Link, feed
from edgedescent_onnx.graph import Array, Events, Graph


class LinearGraph:
    """Graph of a linear model, in the units of the raw features and of the target.

    ::

        prediction = intercept + Σ weights clip(x - mean, ±limit), without the features that are missing

    With z = clip((x - mean) / sd, ±clip) and f = w₀ + Σ w z, this is the learner's own mean_y + sd_y f,
    multiplied out: weights = sd_y w / sd, limit = clip sd, intercept = mean_y + sd_y w₀. For other links, see `Link`.
    """

    learner: type[Learner] = LinearRegressor
    usage = USAGE

    def build(self, learner: Learner) -> Graph:
        """Return the graph of the learner's present state."""
        graph = FeatureGraph(learner)
        link = Link(learner, graph.state)
        weights = link.scale * graph.parameters("weights")
        return graph.finish(graph.sum("weighted", weights), weights[0, 0], link)

    def feed(self, metadata: Mapping[str, str], events: Events) -> dict[str, Array]:
        """Return one row per event, NaN where it lacks a feature."""
        return feed(metadata, events)


class LogisticGraph(LinearGraph):
    """Graph of a logistic regression: that of a linear model with another link."""

    learner: type[Learner] = LogisticRegressor

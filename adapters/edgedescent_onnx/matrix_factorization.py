"""ONNX graphs of `MatrixFactorization`, `AutoRecommender` and `BPR`, from ids as strings to the prediction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from edgedescent import BPR, AutoRecommender, MatrixFactorization
from edgedescent.errors import InvalidEventError
from edgedescent.learners import Learner
from edgedescent_onnx.graph import ML, Array, Constant, Events, Graph, Node, Port, learned, served, sigmoid
from edgedescent_onnx.lists import OPTIONS, OUTPUTS, lists
from edgedescent_onnx.serving import prepare


class MatrixFactorizationGraph:
    """Graph of a matrix factorization, in the units of the ratings.

    ::

        prediction = clip(user_bias + item_bias + Σ user_factors item_factors, lowest and highest rating seen)

    This is the learner's own mean_y + sd_y f, multiplied out: all biases and the factors of users hold sd_y, and the
    biases of users also mean_y. Row 0 of the tables is for every id that was never learned: its factors are zero, and
    its bias is the one that the learner gives to new ids.
    """

    learner: type[Learner] = MatrixFactorization
    usage = """\
from pathlib import Path

import onnxruntime
from edgedescent_onnx import prepare  # or a copy of edgedescent_onnx/serving.py, which needs NumPy alone

session = onnxruntime.InferenceSession(Path("model.onnx").read_bytes(), providers=["CPUExecutionProvider"])
metadata = session.get_modelmeta().custom_metadata_map
events = [{"user": "ann", "item": "tea"}, {"user": "ann", "item": "beer"}, {"user": "bob", "item": "never seen"}]
print(session.run(["prediction"], prepare(metadata, events))[0].tolist())
"""

    def build(self, learner: Learner) -> Graph:
        """Return the graph of the learner's present state."""
        state = self.state(learner)
        y_min, y_max = learned(state, "loss")[2:]
        # The ratings' scale is part of the tables, not a factor of its own: onnxruntime drops a product with a single
        # constant that is 1 when rounded to 32 bits. If all ratings were equal, the scale is 0 and the mean remains.
        target_mean = learned(state, "target.mean")[0]
        target_sd = np.sqrt(learned(state, "target.variance")[0])
        constants, nodes = _affinity(state, target_sd, target_mean, "unclipped")
        constants |= {"lowest": y_min, "highest": y_max}
        nodes.append(Node("Clip", ["unclipped", "lowest", "highest"], "prediction"))
        return _with_lists(learner, nodes, constants)

    def state(self, learner: Learner) -> dict[str, Any]:
        """Return the state with the tables `user_rows` and `item_rows`, whose rows make a score."""
        return dict(learner.state_dict())

    def feed(self, metadata: Mapping[str, str], events: Events) -> dict[str, Array]:
        """Return one column of ids for users and one for items."""
        try:
            return prepare(metadata, events)
        except ValueError as error:
            raise InvalidEventError("invalid_id", str(error)) from error


class AutoRecommenderGraph(MatrixFactorizationGraph):
    """Graph of the ensemble for ratings: its experts are linear in products of estimates of the user and the item.

    So a score is that of a matrix factorization whose rows hold the weights and the estimates beside the factors.
    """

    learner: type[Learner] = AutoRecommender

    def state(self, learner: Learner) -> dict[str, Any]:
        """Return the state with the tables `user_rows` and `item_rows`, whose rows make a score."""
        model: Any = learner
        user_rows, item_rows = model.model.scoring_rows()
        return {**learner.state_dict(), "user_rows": user_rows, "item_rows": item_rows}


class BPRGraph(MatrixFactorizationGraph):
    """Graph of a ranking from interactions: ``prediction = 1 / (1 + exp(-(item_bias + Σ user item)))``."""

    learner: type[Learner] = BPR

    def build(self, learner: Learner) -> Graph:
        """Return the graph of the learner's present state."""
        constants, nodes = _affinity(learner.state_dict(), 1.0, 0.0, "score")
        link_nodes, link_constants = sigmoid("score", "prediction")
        return _with_lists(learner, nodes + link_nodes, constants | link_constants)


def _with_lists(learner: Any, nodes: list[Node], constants: dict[str, Constant]) -> Graph:
    """Return the graph with nodes that recommend before its last one, which writes the prediction."""
    scoring = [
        Node("Gemm", ["p", "item_factors", "item_bias"], "without_user", {"transB": 1}),
        Node("Unsqueeze", ["b_user", "factor_axis"], "b_user_column"),
        Node("Add", ["without_user", "b_user_column"], "item_scores"),
    ]
    list_nodes, list_constants = lists(learner, learner.encoder.latest_items(), scoring)
    return Graph(
        [port("user"), port("item")],
        [*nodes[:-1], *list_nodes, nodes[-1]],
        constants | list_constants,
        options=OPTIONS,
        further_outputs=OUTPUTS,
    )


def _affinity(
    state: Mapping[str, Any], scale: float, shift: float, result: str
) -> tuple[dict[str, Constant], list[Node]]:
    """Return the constants and nodes for ``shift + scale (b_user + b_item + Σ p q)``."""
    user_rows, item_rows = served(state, "user_rows"), served(state, "item_rows")
    constants: dict[str, Constant] = {
        "user_bias": shift + scale * user_rows[:, 0],
        "user_factors": scale * user_rows[:, 1:],
        "item_bias": scale * item_rows[:, 0],
        "item_factors": item_rows[:, 1:],
        "factor_axis": np.array([1]),
    }
    nodes = [
        encoder("user", state["users"]),
        encoder("item", state["items"]),
        Node("Gather", ["user_factors", "user_row"], "p"),
        Node("Gather", ["item_factors", "item_row"], "q"),
        Node("Gather", ["user_bias", "user_row"], "b_user"),
        Node("Gather", ["item_bias", "item_row"], "b_item"),
        Node("Add", ["b_user", "b_item"], "biases"),
        Node("Mul", ["p", "q"], "products"),
        Node("ReduceSum", ["products", "factor_axis"], "affinity", {"keepdims": 0}),
        Node("Add", ["biases", "affinity"], result),
    ]
    return constants, nodes


def port(role: Literal["user", "item"]) -> Port:
    """Return the input of the ids of users or items."""
    meaning = f"ids of {role}s, an integer as its decimal digits; what was never learned counts as average"
    return Port(role, "string", ("batch",), meaning)


def encoder(role: Literal["user", "item"], ids: Sequence[str]) -> Node:
    """Return the node that maps each known id to its row, and all others to 0, as Gather needs a row within range."""
    # An attribute must not be empty. If no id is known, one that maps to row 0 changes nothing.
    keys, rows = (list(ids), list(range(1, len(ids) + 1))) if ids else ([""], [0])
    attributes = {"keys_strings": keys, "values_int64s": rows, "default_int64": 0}
    return Node("LabelEncoder", [role], f"{role}_row", attributes, ML)

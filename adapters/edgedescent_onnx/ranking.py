"""ONNX graph of the rankers: popularity, neighbours of the user's latest items, factors, and weights by user."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgedescent.learners import (
    AutoRanker,
    DecayedPopularity,
    ItemNeighbours,
    Learner,
    SessionCooccurrence,
)
from edgedescent.learners._ranking_tables import ranking_tables
from edgedescent_onnx.graph import DOUBLE, INT64, Array, Constant, Graph, Node, sigmoid
from edgedescent_onnx.lists import OPTIONS, OUTPUTS, lists
from edgedescent_onnx.matrix_factorization import MatrixFactorizationGraph, encoder, port

_SCALES = np.array([100.0, 50.0, 50.0, 50.0, 50.0, 1.7182818, 1.7182818], dtype=np.float32)
_GROUPS = {"together": slice(0, 1), "following": slice(1, 5), "own": slice(5, 7)}
"""Sparse features by where they come from."""
_FADING = 0.8


class RankerGraph(MatrixFactorizationGraph):
    """Graph of a ranker, with its tables of neighbours and factors.

    ::

        f = Σ_b w_b popularity_b(item) + w age(item) + Σ_g w_g log(1 + s_g x_g(user, item)) + w s(user, item)
        prediction = 1 / (1 + exp(f(unknown item) - f))

    The weights w are those of the user's context at the snapshot. x is summed over the neighbours of the user's latest
    items: for a prediction over those that are the item; for a list, of all items at once.
    """

    learner: type[Learner] = DecayedPopularity

    def build(self, learner: Learner) -> Graph:
        """Return the graph of the learner's present state."""
        model: Any = learner
        tables = ranking_tables(model.model)
        n_dense = tables["items"].shape[1]
        history = model.encoder.latest_items()
        groups = _neighbours(model, tables, history)
        compact = _compacted(history)
        if model.model.head and history.shape[1]:
            groups["own"] = _own(compact)
        columns = np.concatenate([np.arange(7)[_GROUPS[name]] for name in groups] or [np.arange(0)])
        constants: dict[str, Constant] = {
            "items": tables["items"],
            "unknown_item": tables["items"][0].astype(np.float64),
            "dense_weights": tables["weights"][:, :n_dense],
        }
        nodes = [
            encoder("user", model.encoder.users.keys()),
            encoder("item", model.encoder.items.keys()),
            *_gathered("dense_weights", "user_row", "w_dense"),
            *_gathered("items", "item_row", "x_item"),
            Node("Sub", ["x_item", "unknown_item"], "x_dense"),
            Node("Mul", ["w_dense", "x_dense"], "dense_parts"),
            Node("ReduceSum", ["dense_parts", "axis_1"], "dense_score", {"keepdims": 0}),
        ]
        constants["axis_1"] = np.array([1])
        scores = ["dense_score"]
        if groups:
            constants |= {
                "sparse_weights": tables["weights"][:, n_dense + columns],
                "scales": _SCALES[columns].astype(np.float64),
                "ones": np.ones(len(columns)),
            }
            nodes += [*_gathered("sparse_weights", "user_row", "w_sparse"), *_sparse(constants, groups)]
            scores.append("sparse_score")
        if "factors" in tables:
            nodes += _factors(constants, tables)
            scores.append("factor_score")
        nodes.append(Node("Sum", scores, "score"))
        link_nodes, link_constants = sigmoid("score", "prediction")
        scoring = _scoring(constants, tables, columns, groups, head=model.model.head)
        list_nodes, list_constants = lists(model, compact, scoring, head=model.model.head)
        return Graph(
            [port("user"), port("item")],
            [*nodes, *list_nodes, *link_nodes],
            constants | link_constants | list_constants,
            options=OPTIONS,
            further_outputs=OUTPUTS,
        )


class ItemNeighboursGraph(RankerGraph):
    """Graph of `ItemNeighbours`."""

    learner: type[Learner] = ItemNeighbours


class SessionCooccurrenceGraph(RankerGraph):
    """Graph of `SessionCooccurrence`."""

    learner: type[Learner] = SessionCooccurrence


class AutoRankerGraph(RankerGraph):
    """Graph of `AutoRanker`."""

    learner: type[Learner] = AutoRanker


def _compacted(history: Array) -> Array:
    """Move the entries that are no item to the end of each user's."""
    order = np.argsort(history == 0, axis=1, kind="stable")
    return np.take_along_axis(history, order, axis=1)


def _neighbours(model: Any, tables: Mapping[str, Any], history: Array) -> dict[str, dict[str, Array]]:
    """Tables of each kind of neighbours: of which items of each user, their rows, their parts, and their weights."""
    groups: dict[str, dict[str, Array]] = {}
    if not history.shape[1]:
        return groups
    if "together" in tables:
        roots = tables["roots"][history]
        counts = (history > 0) & (roots > 0.0) & (roots < 1.0)
        counts &= np.cumsum(counts, axis=1) <= model.latest
        order = np.argsort(~counts, axis=1, kind="stable")[:, : model.latest]
        chosen = np.take_along_axis(counts, order, axis=1)
        weights = chosen / np.maximum(counts.sum(axis=1), 1)[:, None]
        rows, parts = tables["together"]
        groups["together"] = {
            "of": np.where(chosen, np.take_along_axis(history, order, axis=1), 0).astype(np.int32),
            "rows": rows,
            "parts": parts,
            "weights": weights[:, :, None],
        }
    if "following" in tables:
        of = history[:, : model.latest]
        fading = np.where(of > 0, _FADING ** (np.cumsum(of > 0, axis=1) - 1.0), 0.0)
        weights = np.repeat(fading[:, :, None], 4, axis=2)
        weights[:, 1:, 0] = 0.0
        rows, parts = tables["following"]
        groups["following"] = {"of": of, "rows": rows, "parts": parts[:, :, [0, 0, 1, 2]], "weights": weights}
    return groups


def _own(history: Array) -> dict[str, Array]:
    """Parts of the user's own items, by how lately the user had them."""
    fading = _FADING ** np.arange(history.shape[1], dtype=np.float64)
    return {"own_parts": np.stack([np.ones_like(fading), fading], axis=1)}


def _gathered(table: str, rows: str, result: str) -> list[Node]:
    """Nodes that read rows of a table in single precision as 64-bit floats."""
    return [
        Node("Gather", [table, rows], f"{result}_single"),
        Node("Cast", [f"{result}_single"], result, {"to": DOUBLE}),
    ]


def _sparse(constants: dict[str, Constant], groups: Mapping[str, Mapping[str, Array]]) -> list[Node]:
    """Nodes that write the score of the pair, and per group the rows and parts of all neighbours of the user."""
    constants |= {
        "axis_2": np.array([2]),
        "flat": np.array([0, -1]),
        "minus_one": np.array([-1]),
        "row_0": np.array([0]),
    }
    nodes = [
        # Row 0 stands for an unknown item, and in the tables for none.
        Node("Equal", ["item_row", "row_0"], "is_unknown"),
        Node("Where", ["is_unknown", "minus_one", "item_row"], "item_key"),
        Node("Unsqueeze", ["item_key", "axis_1"], "item_column"),
    ]
    for name, group in groups.items():
        if name == "own":
            constants |= group
            nodes += [
                Node("Gather", ["history", "user_row"], "own_rows_single"),
                Node("Cast", ["own_rows_single"], "own_rows", {"to": INT64}),
            ]
        else:
            constants |= {f"{name}_{key}": value for key, value in group.items()}
            constants[f"{name}_parts"] = group["parts"].astype(np.float32)
            constants[f"{name}_weights"] = group["weights"].astype(np.float32)
            constants[f"{name}_flat_parts"] = np.array([0, -1, group["parts"].shape[2]])
            nodes += [
                Node("Gather", [f"{name}_of", "user_row"], f"{name}_latest"),
                Node("Gather", [f"{name}_rows", f"{name}_latest"], f"{name}_neighbours_single"),
                Node("Cast", [f"{name}_neighbours_single"], f"{name}_neighbours", {"to": INT64}),
                *_gathered(f"{name}_parts", f"{name}_latest", f"{name}_all_parts"),
                *_gathered(f"{name}_weights", "user_row", f"{name}_user_weights"),
                Node("Unsqueeze", [f"{name}_user_weights", "axis_2"], f"{name}_place_weights"),
                Node("Mul", [f"{name}_all_parts", f"{name}_place_weights"], f"{name}_weighted"),
                Node("Reshape", [f"{name}_neighbours", "flat"], f"{name}_flat_rows"),
                Node("Reshape", [f"{name}_weighted", f"{name}_flat_parts"], f"{name}_flat_weighted"),
            ]
        rows, parts = _names(name)
        nodes += [
            Node("Equal", [rows, "item_column"], f"{name}_is_item"),
            Node("Cast", [f"{name}_is_item"], f"{name}_flags", {"to": DOUBLE}),
            Node("Unsqueeze", [f"{name}_flags", "axis_2"], f"{name}_flag_column"),
            Node("Mul", [f"{name}_flag_column", parts], f"{name}_found"),
            Node("ReduceSum", [f"{name}_found", "axis_1"], f"x_{name}", {"keepdims": 0}),
        ]
    return [
        *nodes,
        Node("Concat", [f"x_{name}" for name in groups], "x_sparse", {"axis": 1}),
        Node("Mul", ["x_sparse", "scales"], "x_scaled"),
        Node("Add", ["x_scaled", "ones"], "x_from_one"),
        Node("Log", ["x_from_one"], "x_log"),
        Node("Mul", ["w_sparse", "x_log"], "sparse_parts"),
        Node("ReduceSum", ["sparse_parts", "axis_1"], "sparse_score", {"keepdims": 0}),
    ]


def _factors(constants: dict[str, Constant], tables: Mapping[str, Any]) -> list[Node]:
    """Nodes that write the part of the factors in the score of the pair: their score, times its weight."""
    users, items, biases = tables["factors"]
    constants |= {
        "user_factors": users,
        "item_factors": items,
        "item_biases": biases[:, None],
        "factor_weights": tables["weights"][:, -1:],
    }
    return [
        *_gathered("user_factors", "user_row", "p"),
        *_gathered("item_factors", "item_row", "q"),
        *_gathered("item_biases", "item_row", "item_bias"),
        *_gathered("factor_weights", "user_row", "w_factors"),
        Node("Mul", ["p", "q"], "factor_products"),
        Node("ReduceSum", ["factor_products", "axis_1"], "factor_product", {"keepdims": 1}),
        Node("Add", ["factor_product", "item_bias"], "x_factors"),
        Node("Mul", ["w_factors", "x_factors"], "factor_parts"),
        Node("ReduceSum", ["factor_parts", "axis_1"], "factor_score", {"keepdims": 0}),
    ]


def _names(group: str) -> tuple[str, str]:
    """Names of the rows and of the parts of a group."""
    return ("own_rows", "own_parts") if group == "own" else (f"{group}_flat_rows", f"{group}_flat_weighted")


def _scoring(
    constants: dict[str, Constant],
    tables: Mapping[str, Any],
    columns: Array,
    groups: Mapping[str, Mapping[str, Array]],
    *,
    head: int,
) -> list[Node]:
    """Nodes that write the scores of all items: ``item_scores``, and ``last_scores`` where a head is sorted by them."""
    n_items, n_dense = tables["items"].shape
    first = tables["first"].astype(np.float64)
    dense: Array = np.zeros(n_items)
    for h in range(n_dense - 1):
        dense = dense + first[h] * tables["items"][:, h]
    constants["first_scores"] = dense[None, :]
    nodes = [
        Node("Shape", ["user"], "n_listed"),
        Node("Concat", ["n_listed", "item_count"], "scores_shape", {"axis": 0}),
        Node("Expand", ["first_scores", "scores_shape"], "first_0"),
    ]
    constants["item_count"] = np.array([n_items])
    if head:
        nodes += [
            Node("Cast", ["items"], "items_double", {"to": DOUBLE}),
            Node("Transpose", ["items_double"], "items_by_feature", {"perm": [1, 0]}),
            Node("MatMul", ["w_dense", "items_by_feature"], "last_0"),
        ]
    if groups:
        constants["no_part"] = np.array([[0.0]])
        nodes.append(Node("Expand", ["no_part", "scores_shape"], "no_parts"))
    at = 0
    for name in groups:
        rows, parts = _names(name)
        for g in range(_GROUPS[name].stop - _GROUPS[name].start):
            nodes += _spread(constants, name, g, at, rows, parts, head=head)
            constants[f"first_weight_{at}"] = np.array([[first[n_dense + columns[at]]]])
            at += 1
    if "factors" in tables:
        nodes += _spread_factors(constants, at, first[-1], head=head)
        at += 1
    return [
        *nodes,
        Node("Identity", [f"first_{at}"], "item_scores"),
        *([Node("Identity", [f"last_{at}"], "last_scores")] if head else []),
    ]


def _spread(
    constants: dict[str, Constant], name: str, g: int, at: int, rows: str, parts: str, *, head: int
) -> list[Node]:
    """Nodes that add a sparse feature, of all items, to the scores number `at`."""
    constants |= {f"place_{g}": np.array(g), f"column_{at}": np.array([at])}
    nodes = [
        Node("Gather", [parts, f"place_{g}"], f"parts_{at}", {"axis": 2 if name != "own" else 1}),
    ]
    updates = f"parts_{at}"
    if name == "own":
        nodes += [
            Node("Shape", ["own_rows"], f"own_shape_{at}"),
            Node("Expand", [f"parts_{at}", f"own_shape_{at}"], f"own_updates_{at}"),
        ]
        updates = f"own_updates_{at}"
    nodes += [
        Node("ScatterElements", ["no_parts", rows, updates], f"x_all_{at}", {"axis": 1, "reduction": "add"}),
        Node("Gather", ["scales", f"column_{at}"], f"scale_{at}"),
        Node("Mul", [f"x_all_{at}", f"scale_{at}"], f"scaled_all_{at}"),
        Node("Gather", ["ones", f"column_{at}"], f"one_{at}"),
        Node("Add", [f"scaled_all_{at}", f"one_{at}"], f"from_one_{at}"),
        Node("Log", [f"from_one_{at}"], f"log_all_{at}"),
        Node("Mul", [f"log_all_{at}", f"first_weight_{at}"], f"first_part_{at}"),
        Node("Add", [f"first_{at}", f"first_part_{at}"], f"first_{at + 1}"),
    ]
    if head:
        nodes += [
            Node("Gather", ["w_sparse", f"column_{at}"], f"weight_{at}", {"axis": 1}),
            Node("Mul", [f"log_all_{at}", f"weight_{at}"], f"last_part_{at}"),
            Node("Add", [f"last_{at}", f"last_part_{at}"], f"last_{at + 1}"),
        ]
    return nodes


def _spread_factors(constants: dict[str, Constant], at: int, first: float, *, head: int) -> list[Node]:
    """Nodes that add the scores of the factors, of all items, to the scores number `at`."""
    constants |= {"factor_first_weight": np.array([[first]]), "item_count_row": np.array([1, -1])}
    nodes = [
        Node("Cast", ["item_factors"], "item_factors_double", {"to": DOUBLE}),
        Node("Transpose", ["item_factors_double"], "items_by_factor", {"perm": [1, 0]}),
        Node("MatMul", ["p", "items_by_factor"], "factor_products_all"),
        Node("Cast", ["item_biases"], "item_biases_double", {"to": DOUBLE}),
        Node("Reshape", ["item_biases_double", "item_count_row"], "bias_row"),
        Node("Add", ["factor_products_all", "bias_row"], "x_factors_all"),
        Node("Mul", ["x_factors_all", "factor_first_weight"], f"first_part_{at}"),
        Node("Add", [f"first_{at}", f"first_part_{at}"], f"first_{at + 1}"),
    ]
    if head:
        nodes += [
            Node("Mul", ["x_factors_all", "w_factors"], f"last_part_{at}"),
            Node("Add", [f"last_{at}", f"last_part_{at}"], f"last_{at + 1}"),
        ]
    return nodes

"""Nodes that recommend: the best items of each user, without those that are left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from edgedescent_onnx.graph import INT64, ML, Array, Branch, Constant, Node, Port

if TYPE_CHECKING:
    # Importing it would take half a MiB of every daemon's memory.
    from edgedescent.learners.recommender import Recommender

LEAST = float(np.finfo(np.float64).min)
"""Score of a place of a list for which there is no item."""

OPTIONS = (
    Port("k", "int64", (1,), "number of items of each list; without it no lists are made", np.array([0])),
    Port("exclude", "string", ("excluded",), "ids of items that no list may have", np.array([], dtype=object)),
    Port("exclude_seen", "bool", (1,), "true leaves out the latest items of the user", np.array([False])),
)
"""Inputs that may be left out."""

OUTPUTS = (
    Port("recommended", "string", ("batch", "places"), "ids of the best items of each user, the best first"),
    Port("scores", "double", ("batch", "places"), f"their scores; {LEAST!r} where there is no further item"),
)


def lists(
    learner: Recommender, history: Array, scoring: Sequence[Node], *, head: int = 0
) -> tuple[list[Node], dict[str, Constant]]:
    """Return the nodes and constants that write `OUTPUTS`.

    The node before them has written ``user_row``. All of the work is in the branch of an If, so that predictions alone
    do not take it.

    Args:
        learner: The learner.
        history: Rows of the latest items of each user, 0 for none, shape (n_users, depth).
        scoring: Nodes that write ``item_scores`` of shape (batch, n_items), row 0 being none of the items.
        head: Number of the best items that are sorted by ``last_scores``, which `scoring` writes too; 0 for none.
    """
    encoder = learner.encoder
    ids: list[str] = encoder.items.keys()
    n_items = len(ids) + 1
    withdrawn = [row for row, item in enumerate(ids, 1) if not learner.is_available(item)]
    left_out = np.zeros(n_items)
    left_out[[0, *withdrawn]] = 1.0
    rows, names = (list(range(1, n_items)), ids) if ids else ([0], [""])
    by_name = {"keys_int64s": rows, "values_strings": names, "default_string": ""}
    by_row = {"keys_strings": names, "values_int64s": rows, "default_int64": 0}
    constants: dict[str, Constant] = {
        "left_out": left_out,
        "n_items": np.array([n_items]),
        "no_items": np.array([0]),
        "no_rows": np.array([[0]]),
        "no_scores": np.array([[0.0]]),
        "limit": np.float64(0.5),
        "least": np.float64(LEAST),
    }
    nodes = [
        *scoring,
        Node("Shape", ["user"], "batch"),
        Node("Concat", ["batch", "n_items"], "table", {"axis": 0}),
        *_left_out(constants, history, by_row),
        Node("Where", ["is_left_out", "least", "item_scores"], "candidates"),
        *(_best_of_head(constants, head) if head else _best()),
        Node("Greater", ["best_scores", "least"], "is_item"),
        Node("Where", ["is_item", "best_rows", "no_rows"], "item_rows"),
        Node("LabelEncoder", ["item_rows"], "listed", by_name, ML),
        Node("Identity", ["best_scores"], "listed_scores"),
    ]
    nothing = [
        Node("Shape", ["user"], "n_users"),
        Node("Concat", ["n_users", "no_items"], "nothing", {"axis": 0}),
        Node("Expand", ["no_rows", "nothing"], "empty_rows"),
        Node("LabelEncoder", ["empty_rows"], "empty_lists", by_name, ML),
        Node("Expand", ["no_scores", "nothing"], "empty_scores"),
    ]
    branches: dict[str, Any] = {
        "then_branch": Branch(nodes, [OUTPUTS[0].renamed("listed"), OUTPUTS[1].renamed("listed_scores")]),
        "else_branch": Branch(nothing, [OUTPUTS[0].renamed("empty_lists"), OUTPUTS[1].renamed("empty_scores")]),
    }
    return [
        Node("Greater", ["k", "no_items"], "wants_lists"),
        Node("If", ["wants_lists"], "recommended", branches, further_outputs=["scores"]),
    ], constants


def _left_out(constants: dict[str, Constant], history: Array, by_row: dict[str, Any]) -> list[Node]:
    """Nodes that write ``is_left_out``, shape (batch, n_items): row 0, withdrawn and excluded items, seen ones."""
    nodes = [
        Node("LabelEncoder", ["exclude"], "excluded_rows", by_row, ML),
        Node("Shape", ["excluded_rows"], "n_excluded"),
        Node("Expand", ["one_flag", "n_excluded"], "excluded_flags"),
        Node("ScatterElements", ["left_out", "excluded_rows", "excluded_flags"], "left_out_of_all", {"axis": 0}),
        Node("Expand", ["left_out_of_all", "table"], "left_out_by_user" if history.shape[1] else "flags"),
    ]
    constants["one_flag"] = np.array([1.0])
    if history.shape[1]:
        # Row 0 is left out anyway: it stands for what the user had where that is not to be left out.
        constants["history"] = history.astype(np.int32)
        nodes += [
            Node("Gather", ["history", "user_row"], "had"),
            Node("Cast", ["had"], "had_rows", {"to": INT64}),
            Node("Where", ["exclude_seen", "had_rows", "no_rows"], "seen_rows"),
            Node("Shape", ["seen_rows"], "seen_shape"),
            Node("Expand", ["one_flag", "seen_shape"], "seen_flags"),
            Node("ScatterElements", ["left_out_by_user", "seen_rows", "seen_flags"], "flags", {"axis": 1}),
        ]
    return [*nodes, Node("Greater", ["flags", "limit"], "is_left_out")]


def _best() -> list[Node]:
    return [
        Node("Min", ["k", "n_items"], "places"),
        Node("TopK", ["candidates", "places"], "best_scores", {"axis": 1}, further_outputs=["best_rows"]),
    ]


def _best_of_head(constants: dict[str, Constant], head: int) -> list[Node]:
    """Nodes that find the best `head` or more by one score, and sort the first of them by another."""
    constants |= {"head": np.array([head]), "from_first": np.array([0]), "columns": np.array([1])}
    return [
        Node("Max", ["k", "head"], "wanted"),
        Node("Min", ["wanted", "n_items"], "found_places"),
        Node("TopK", ["candidates", "found_places"], "found", {"axis": 1}, further_outputs=["found_rows"]),
        Node("Slice", ["found_rows", "from_first", "head", "columns"], "head_rows"),
        Node("Slice", ["found_rows", "head", "found_places", "columns"], "tail_rows"),
        Node("Slice", ["found", "head", "found_places", "columns"], "tail_scores"),
        Node("Where", ["is_left_out", "least", "last_scores"], "last_candidates"),
        Node("GatherElements", ["last_candidates", "head_rows"], "head_scores", {"axis": 1}),
        Node("Min", ["head", "n_items"], "head_places"),
        Node("TopK", ["head_scores", "head_places"], "sorted_scores", {"axis": 1}, further_outputs=["order"]),
        Node("GatherElements", ["head_rows", "order"], "sorted_rows", {"axis": 1}),
        Node("Concat", ["sorted_rows", "tail_rows"], "all_rows", {"axis": 1}),
        Node("Concat", ["sorted_scores", "tail_scores"], "all_scores", {"axis": 1}),
        Node("Slice", ["all_rows", "from_first", "k", "columns"], "best_rows"),
        Node("Slice", ["all_scores", "from_first", "k", "columns"], "best_scores"),
    ]

"""Part of ONNX graphs that reads the labels: their history, and the lags, means and range that are taken from it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgedescent_onnx.features import INSANE, FeatureGraph
from edgedescent_onnx.graph import DOUBLE, Node, Port, learned

# As in `edgedescent/ensemble/_label_history.pyx`: the two forgetting rates, the deviations at which lags are clipped,
# and the part of the range of labels by which predictions may leave it.
RATES = (0.1, 0.01)
LAG_CLIP = 5.0
MARGIN = 0.25
N_DIFFERENCES = 3
HISTORY_SIZE = 702
DELAY = 4
"""Place of the delay of the labels among the counts of the state."""

LABELS_MIN = 100
"""Number of labels after which the forgetting means hardly depend on which of them the snapshot has learned."""

PORT = "labels"
MEANING = (
    "labels that came after the snapshot, oldest first, the same for the whole batch; may be empty. NaN, infinity and "
    f"magnitudes of {INSANE:g} or more count as missing: no label came"
)


class LabelHistoryGraph:
    """Part of a graph that follows the labels from where the snapshot ends.

    The history is that of the snapshot, of which the file holds as many labels as it needs, and after it those of the
    input ``labels``. What follows them is the last label, its lags, the two forgetting means and the range. The mean
    and the deviations of the labels and of their changes, and the periods, are as they were at the snapshot.

    Args:
        graph: Graph to which everything is added.
    """

    least, largest = "least_prediction", "largest_prediction"

    def __init__(self, graph: FeatureGraph) -> None:
        self._graph, state = graph, graph.state
        mean, s, _, d, *self._means, self._lowest, self._highest = learned(state, "history.numbers").tolist()
        self.deviation = s if s > 0.0 else 1.0
        self.change = d if d > 0.0 else self.deviation
        self.count, *self.periods = np.asarray(state["history.counts"])[:3].tolist()
        self._delay = int(state["history.counts"][DELAY])
        self._seasons = [self._season(period) for period in self.periods]
        # The label before the season takes as many labels, and so many more are hidden when an event is learned.
        self.needed = max(LABELS_MIN, N_DIFFERENCES + 1 + self._delay, *(self._needed_of(lag) for lag in self._seasons))
        graph.inputs.append(Port(PORT, "double", (PORT,), MEANING))
        graph.constants |= {
            "insane": np.float64(INSANE),
            # Before the first label and after the last one: see `back`.
            "no_label": np.concatenate([np.zeros(1), learned(state, "history.labels")[-self.needed :]]),
            "label_mean": np.array([mean]),
            "first_place": np.array(0),
        }
        graph.nodes += [
            Node("Abs", [PORT], "label_magnitude"),
            Node("Less", ["label_magnitude", "insane"], "label_is_sane"),
            Node("Compress", [PORT, "label_is_sane"], "new_labels", {"axis": 0}),
            Node("Concat", ["no_label", "new_labels"], "known_labels", {"axis": 0}),
            Node("Shape", ["known_labels"], "history_end"),
            Node("Concat", ["known_labels", "label_mean"], "history", {"axis": 0}),
        ]
        self.last = self.back("last_label", [1])

    def _season(self, period: int) -> int:
        """Lag of the newest known label that is whole periods before the event; 0 if the learner has none."""
        lag = period * (1 + self._delay // period) - self._delay if period else 0
        return lag if self._needed_of(lag) <= HISTORY_SIZE else 0

    def _needed_of(self, lag: int) -> int:
        """Number of labels from which on the learner uses a seasonal lag."""
        return lag + 2 * self._delay + 1

    @property
    def metadata(self) -> dict[str, object]:
        """Entry of the file's metadata."""
        return {
            "order": "oldest first",
            "after": "the labels that the snapshot has learned",
            "learned": self.count,
            "needed": self.needed,
            "periods": [period for period in self.periods if period],
        }

    def back(self, name: str, ago: Sequence[int]) -> str:
        """Add nodes for the labels so many events ago, where 1 is the last one and 0 stands for their mean.

        The history begins with a 0, which is taken where there is no label yet, and ends with the mean.

        Returns:
            The name of the result, of shape (len(ago),).
        """
        self._graph.constants[f"{name}_ago"] = np.array(ago)
        self._graph.nodes += [
            Node("Sub", ["history_end", f"{name}_ago"], f"{name}_from_start"),
            Node("Max", [f"{name}_from_start", "first_place"], f"{name}_place"),
            Node("Gather", ["history", f"{name}_place"], name),
        ]
        return name

    def _known(self, name: str, needed: Sequence[int]) -> str:
        """Add a node for whether there are so many labels."""
        self._graph.constants[f"{name}_needed"] = np.array(needed)
        self._graph.nodes.append(Node("Greater", ["history_end", f"{name}_needed"], f"{name}_known"))
        return f"{name}_known"

    def lags(self) -> str:
        """Add nodes for the lags of the next label; returns the name of the result, of shape (n_lags,)."""
        steps = range(1, N_DIFFERENCES + 1)
        s, d = self.deviation, self.change
        later, earlier, units = [1, *steps], [0, *(1 + i for i in steps)], [s, *(d for _ in steps)]
        needed = [1, *(1 + i + self._delay for i in steps)]
        for p in self._seasons:
            # Without a period, the difference of a label to itself.
            after = [p - 1, p] if p > 1 else [1, 1]
            later += [p, p, after[0]] if p else [1, 1, 1]
            earlier += [1, p + self._delay + 1, after[1]] if p else [1, 1, 1]
            units += [s, d, d]
            needed += [self._needed_of(p)] * 3
        self._graph.constants |= {
            "units": np.array(units),
            "none": np.float64(0.0),
            "lag_clip": np.float64(LAG_CLIP),
            "negative_lag_clip": np.float64(-LAG_CLIP),
        }
        differences = [self.back("later_labels", later), self.back("earlier_labels", earlier)]
        known = self._known("lags", needed)
        self._graph.nodes += [
            Node("Sub", differences, "label_differences"),
            Node("Div", ["label_differences", "units"], "lags_unclipped"),
            Node("Min", ["lags_unclipped", "lag_clip"], "lags_not_above"),
            Node("Max", ["lags_not_above", "negative_lag_clip"], "lags_clipped"),
            Node("Where", [known, "lags_clipped", "none"], "own_lags"),
        ]
        self.n_lags = len(units)
        return "own_lags"

    def means(self) -> str:
        """Add nodes for the last label, the mean and the two forgetting means; returns the name, for shape (4,)."""
        parts = [self.back("last_and_mean", [1, 0]), self._forgetting_means()]
        self._graph.nodes.append(Node("Concat", parts, "label_means", {"axis": 0}))
        return "label_means"

    def seasonal(self) -> str:
        """Add nodes for the seasonal label and the seasonal change of each period; returns the name, for shape (4,)."""
        parts = []
        for i, p in enumerate(self._seasons):
            name = f"season{i}"
            if p == 0:
                parts.append(self.back(name, [1, 1]))
                continue
            ahead, before = self.back(f"{name}_label", [p]), self.back(f"{name}_before", [p + self._delay + 1])
            known = self._known(name, [self._needed_of(p)])
            self._graph.nodes += [
                Node("Add", [self.last, ahead], f"{name}_sum"),
                Node("Sub", [f"{name}_sum", before], f"{name}_change"),
                Node("Concat", [ahead, f"{name}_change"], f"{name}_both", {"axis": 0}),
                Node("Where", [known, f"{name}_both", self.last], name),
            ]
            parts.append(name)
        self._graph.nodes.append(Node("Concat", parts, "seasonal_labels", {"axis": 0}))
        return "seasonal_labels"

    def _forgetting_means(self) -> str:
        """Add nodes for the two means ``m <- m + rₜ (yₜ - m)`` with ``rₜ = max(1 / t, rate)`` over the new labels.

        Label i has the weight ``rᵢ Π_(j > i) (1 - rⱼ)``, and the stored mean counts as a first label with r = 1. The
        product is taken as the exponential of a sum.
        """
        self._graph.constants |= {
            "stored_means": np.array([self._means]),
            "first_number": np.array([self.count + 1]),
            "labels_as_column": np.array([1]),
            "by_label": np.array([0]),
            "by_label_axis": np.array(0),
            "number_step": np.array(1),
            "rates": np.array([RATES]),
            "whole": np.ones((1, len(RATES))),
            "no_fading": np.zeros((1, len(RATES))),
            "complete": np.float64(1.0),
            "two_columns": np.array([1, len(RATES)]),
        }
        self._graph.nodes += [
            Node("Shape", ["new_labels"], "n_new_labels"),
            Node("Add", ["n_new_labels", "first_number"], "end_number"),
            Node("Squeeze", ["first_number"], "number_start"),
            Node("Squeeze", ["end_number"], "number_end"),
            Node("Range", ["number_start", "number_end", "number_step"], "label_number"),
            Node("Cast", ["label_number"], "label_number_as_double", {"to": DOUBLE}),
            Node("Reciprocal", ["label_number_as_double"], "rate_of_all"),
            Node("Unsqueeze", ["rate_of_all", "labels_as_column"], "rate_of_all_column"),
            Node("Max", ["rate_of_all_column", "rates"], "new_rates"),
            Node("Concat", ["whole", "new_rates"], "every_rate", {"axis": 0}),
            Node("Sub", ["complete", "new_rates"], "kept"),
            Node("Log", ["kept"], "new_fading"),
            Node("Concat", ["no_fading", "new_fading"], "fading", {"axis": 0}),
            Node("CumSum", ["fading", "by_label_axis"], "faded", {"exclusive": 1, "reverse": 1}),
            Node("Exp", ["faded"], "what_remains"),
            Node("Mul", ["every_rate", "what_remains"], "label_weights"),
            Node("Unsqueeze", ["new_labels", "labels_as_column"], "label_column"),
            Node("Expand", ["label_column", "two_columns"], "label_columns"),
            Node("Concat", ["stored_means", "label_columns"], "averaged", {"axis": 0}),
            Node("Mul", ["label_weights", "averaged"], "weighted_labels"),
            Node("ReduceSum", ["weighted_labels", "by_label"], "forgetting_means", {"keepdims": 0}),
        ]
        return "forgetting_means"

    def read_bounds(self) -> None:
        """Add nodes for the `least` and the `largest` prediction: the range of the labels and a margin around it."""
        self._graph.constants |= {
            "lowest_label": np.array([self._lowest]),
            "highest_label": np.array([self._highest]),
            "margin": np.float64(MARGIN),
        }
        self._graph.nodes += [
            Node("Concat", ["lowest_label", "new_labels"], "low_labels", {"axis": 0}),
            Node("Concat", ["highest_label", "new_labels"], "high_labels", {"axis": 0}),
            Node("ReduceMin", ["low_labels"], "lowest", {"keepdims": 0}),
            Node("ReduceMax", ["high_labels"], "highest", {"keepdims": 0}),
            Node("Sub", ["highest", "lowest"], "label_range"),
            Node("Mul", ["label_range", "margin"], "label_margin"),
            Node("Sub", ["lowest", "label_margin"], self.least),
            Node("Add", ["highest", "label_margin"], self.largest),
        ]

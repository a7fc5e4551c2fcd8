"""Exporter of learners as ONNX files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pkgutil import resolve_name
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from edgedescent import __version__
from edgedescent.errors import ExportError
from edgedescent.learners import Learner
from edgedescent.validation import as_numbers, require_count

if TYPE_CHECKING:
    from edgedescent_onnx.graph import Array, Events, Graph, LearnerGraph

GRAPHS: dict[str, str] = {
    "AutoRanker": "edgedescent_onnx.ranking:AutoRankerGraph",
    "AutoRecommender": "edgedescent_onnx.matrix_factorization:AutoRecommenderGraph",
    "AutoRegressor": "edgedescent_onnx.auto:AutoGraph",
    "BPR": "edgedescent_onnx.matrix_factorization:BPRGraph",
    "DecayedPopularity": "edgedescent_onnx.ranking:RankerGraph",
    "FactorizationMachine": "edgedescent_onnx.factorization_machine:FactorizationMachineGraph",
    "ItemNeighbours": "edgedescent_onnx.ranking:ItemNeighboursGraph",
    "LinearRegressor": "edgedescent_onnx.linear:LinearGraph",
    "LogisticRegressor": "edgedescent_onnx.linear:LogisticGraph",
    "MLPRegressor": "edgedescent_onnx.mlp:MLPGraph",
    "MatrixFactorization": "edgedescent_onnx.matrix_factorization:MatrixFactorizationGraph",
    "SessionCooccurrence": "edgedescent_onnx.ranking:SessionCooccurrenceGraph",
}
"""Classes of graphs by the names of the learners that can be exported; a new one is a file and a line here.

They are imported when they are used, because each imports its learner. So is all else that makes graphs: a daemon loads
the adapter to check its configuration, and exports in another process.
"""


class OnnxAdapter:
    """Exporter that writes learners as ONNX files and serves such files with onnxruntime.

    All numbers are 64-bit floats and standardization is part of the graph, so that a runtime, given the raw values,
    agrees with the learner to the last few bits. onnx and onnxruntime are imported when first needed.

    Example:
        >>> from edgedescent import MatrixFactorization
        >>> ranker = MatrixFactorization()
        >>> ranker.learn_one("ann", "tea", 5.0)
        >>> snapshot = OnnxAdapter().export(ranker, {})
        >>> OnnxAdapter().predict(snapshot, [{"user": "ann", "item": "tea"}, {"user": 7, "item": "tea"}])
        [5.0, 5.0]
    """

    suffix: ClassVar[str] = ".onnx"

    def export(self, learner: Learner, metadata: Mapping[str, str]) -> bytes:
        """Return the learner as an ONNX file that passed the full check of the onnx package.

        Args:
            learner: A learner of a type in `GRAPHS`; not of a subclass, which may predict otherwise.
            metadata: Entries of the file's ``metadata_props`` beside those of the adapter.

        Raises:
            ExportError: If there is no graph for this type, the learner holds a value that is not finite or a
                name that is not valid Unicode, the metadata would replace an entry of the adapter, the file would be
                too large, the checker refuses it, or onnx is not installed.
        """
        from edgedescent_onnx.model_file import PRODUCER, encode

        written = _graph_of(type(learner).__name__, type(learner)).build(learner)
        own = {
            "producer": PRODUCER,
            "edgedescent_version": __version__,
            "learner": type(learner).__name__,
            **{
                name: value if isinstance(value, str) else json.dumps(value) for name, value in written.metadata.items()
            },
        }
        if taken := sorted(name for name in metadata if metadata[name] != own.get(name, metadata[name])):
            raise ExportError(
                f"The metadata {', '.join(taken)} would replace what the snapshot itself says.",
                "Choose other names.",
            )
        return encode(written, {**metadata, **own})

    def predict(self, model: bytes, events: Events, labels: Sequence[float] = ()) -> list[float]:
        """Return the predictions of onnxruntime for raw features or ids.

        Args:
            model: A file that `export` has written.
            events: Decoded events, ``{"x": {...}}`` or ``{"user": ..., "item": ...}``.
            labels: Labels that came after the snapshot, oldest first, shape (n_labels,); one that is not finite is
                missing. Only for a learner that follows them, such as `edgedescent.AutoRegressor`.

        Raises:
            ExportError: If the file is damaged or not of this adapter, it takes no labels but some are given, or
                onnxruntime is not installed.
            InvalidEventError: If an event does not have the learner's kind of input.
            ValueError: If the labels are not a sequence of numbers.

        Example:
            >>> from edgedescent import AutoRegressor
            >>> model = AutoRegressor(budget="tiny")
            >>> for i in range(100):
            ...     model.learn_one({}, float(i % 2))
            >>> snapshot = OnnxAdapter().export(model, {})
            >>> [round(OnnxAdapter().predict(snapshot, [{"x": {}}], labels)[0], 1) for labels in ([], [0.0])]
            [0.0, 1.0]
        """
        from edgedescent_onnx.label_history import PORT as LABELS
        from edgedescent_onnx.model_file import serve

        after = as_numbers("labels", labels, 1)

        def feed(metadata: Mapping[str, str]) -> dict[str, Array]:
            learner = metadata.get("learner", "?")
            inputs = _graph_of(learner).feed(metadata, events)
            if LABELS in inputs:
                inputs[LABELS] = after
            elif len(after):
                raise ExportError(
                    f"A snapshot of {learner} takes no labels. Got {len(after)}.",
                    "Leave the labels out: call predict(model, events).",
                )
            return inputs

        return [prediction for (prediction,) in serve(model, feed)]

    def recommend(
        self,
        model: bytes,
        users: Sequence[str | int],
        k: int = 10,
        exclude: Sequence[str | int] = (),
        *,
        exclude_seen: bool = False,
    ) -> list[list[str]]:
        """Return what onnxruntime recommends: the best items of each user, the best first.

        Args:
            model: A file of a recommender that `export` has written.
            users: User ids; an unknown one gets what a new user gets.
            k: Largest number of items of a list, >= 1.
            exclude: Ids of items that no list may have.
            exclude_seen: True to leave out the latest items of the user, as they were at the snapshot.

        Raises:
            ExportError: If the file is damaged or is not of a recommender, or onnxruntime is not installed.
            InvalidEventError: If an id is neither a string nor an integer.
            ValueError: If `k` is less than 1.

        Example:
            >>> from edgedescent import DecayedPopularity
            >>> ranker = DecayedPopularity()
            >>> for item in ("tea", "tea", "milk"):
            ...     ranker.learn_one("ann", item)
            >>> OnnxAdapter().recommend(OnnxAdapter().export(ranker, {}), ["bob", "ann"], k=1)
            [['tea'], ['tea']]
        """
        from edgedescent_onnx.lists import LEAST
        from edgedescent_onnx.model_file import serve

        require_count("recommend", "k", k, at_least=1)

        def feed(metadata: Mapping[str, str]) -> dict[str, Array]:
            name = metadata.get("learner", "?")
            graph = _graph_of(name)
            if graph.learner.input_kind != "ratings":
                raise ExportError(f"A snapshot of {name} recommends nothing.", "Give one of a learner of items.")
            # The pairs of the prediction, which is not asked for, need an item each.
            pairs = graph.feed(metadata, [{"user": user, "item": ""} for user in users])
            excluded = graph.feed(metadata, [{"user": "", "item": item} for item in exclude])["item"]
            options = {"k": np.array([k]), "exclude": excluded, "exclude_seen": np.array([exclude_seen])}
            return {**pairs, **options}

        lists: list[list[str]] = []
        for items, scores in serve(model, feed, ("recommended", "scores")):
            lists.append([item for item, score in zip(items, scores, strict=True) if score > LEAST])
        return lists

    def describe(self, learner: Learner) -> dict[str, object]:
        """Return the model card's part about the file: inputs, output, versions, and code that serves it.

        Raises:
            ExportError: If there is no graph for this type of learner.

        Example:
            >>> from edgedescent import LinearRegressor
            >>> OnnxAdapter().describe(LinearRegressor())["output"]["shape"]
            ['batch']
        """
        from edgedescent_onnx.model_file import IR_VERSION, OPSETS, PRODUCER

        graph = _graph_of(type(learner).__name__, type(learner))
        written = graph.build(learner)
        domains = sorted({node.domain for node in written.nodes})
        return {
            "format": "onnx",
            "producer": {"name": PRODUCER, "version": __version__},
            "ir_version": IR_VERSION,
            "opsets": {domain or "ai.onnx": OPSETS[domain] for domain in domains},
            "inputs": [port.describe() for port in written.inputs],
            "output": written.output.describe(),
            **(_of_lists(written) if written.options else {}),
            "metadata": dict(written.metadata),
            "usage": graph.usage,
        }

    def missing_packages(self) -> list[str]:
        """Return the packages that snapshots need and that are not installed."""
        return [name for name in ("onnx", "onnxruntime") if find_spec(name) is None]


def _of_lists(graph: Graph) -> dict[str, object]:
    """Return the model card's part about what the file takes and gives beside the prediction."""
    return {
        "optional_inputs": [port.describe() for port in graph.options],
        "further_outputs": [port.describe() for port in graph.further_outputs],
    }


def _graph_of(name: str, learner: type[Learner] | None = None) -> LearnerGraph:
    """Return the graph of the learner class `name`, which must be `learner` itself if that is given."""
    if found := GRAPHS.get(name):
        graph: LearnerGraph = resolve_name(found)()
        if learner in (None, graph.learner):
            return graph
    raise ExportError(f"There is no ONNX graph for the learner {name}.", f"These can be exported: {', '.join(GRAPHS)}.")

"""The adapter that `edgedescent` finds by its entry point."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from edgedescent import __version__
from edgedescent.errors import ExportError
from edgedescent.learners import Learner
from edgedescent_onnx.factorization_machine import MachineGraph
from edgedescent_onnx.graph import Events, LearnerGraph
from edgedescent_onnx.linear import LinearGraph, LogisticGraph
from edgedescent_onnx.matrix_factorization import FactorGraph, ImplicitGraph
from edgedescent_onnx.mlp import NetworkGraph
from edgedescent_onnx.model_file import IR_VERSION, OPSETS, PRODUCER, encode, serve

# A further learner is one file that holds its graph, and one line here.
GRAPHS: tuple[LearnerGraph, ...] = (
    LinearGraph(),
    LogisticGraph(),
    MachineGraph(),
    NetworkGraph(),
    FactorGraph(),
    ImplicitGraph(),
)


class OnnxAdapter:
    """Turns learners into ONNX files, and serves such files with onnxruntime.

    All numbers are 64-bit floats and standardization is inside, so that a runtime that is fed the raw values
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
        """Write the learner as an ONNX file that passed the full check of the onnx package.

        Args:
            learner: of a type that has a graph here; not of a subclass, which may predict otherwise.
            metadata: goes into the file's ``metadata_props`` beside our own entries.

        Raises:
            ExportError: if there is no graph for this type, the learner holds a value that is not finite or a
                name that is not valid Unicode, the metadata would replace an entry of ours, the file would be
                too large, the checker refuses it, or onnx is not installed.
        """
        written = _graph_of(type(learner).__name__, type(learner)).build(learner)
        own = {
            "producer": PRODUCER,
            "edgedescent_version": __version__,
            "learner": type(learner).__name__,
            **written.metadata,
        }
        if taken := sorted(name for name in metadata if metadata[name] != own.get(name, metadata[name])):
            raise ExportError(
                f"The metadata {', '.join(taken)} would replace what the snapshot itself says.",
                "Choose other names.",
            )
        return encode(written, {**metadata, **own})

    def predict(self, model: bytes, events: Events) -> list[float]:
        """Predict with onnxruntime from the raw features or ids of `events`.

        Args:
            model: a file that `export` made.
            events: as decoded: ``{"x": {...}}``, or ``{"user": ..., "item": ...}``; any number of them.

        Raises:
            ExportError: if the file is damaged or not one of ours, or onnxruntime is not installed.
            InvalidEventError: if an event is not of the kind that the learner takes.
        """
        return serve(model, lambda metadata: _graph_of(metadata.get("learner", "?")).feed(metadata, events))

    def describe(self, learner: Learner) -> dict[str, object]:
        """Say what a snapshot's card says about the file: inputs, output, versions, and how to serve it.

        Raises:
            ExportError: if there is no graph for this type of learner.

        Example:
            >>> from edgedescent import LinearRegressor
            >>> OnnxAdapter().describe(LinearRegressor())["output"]["shape"]
            ['batch']
        """
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
            "metadata": dict(written.metadata),
            "usage": graph.usage,
        }


def _graph_of(name: str, learner: type[Learner] | None = None) -> LearnerGraph:
    """Find the graph of the learner called `name`, which must be `learner` itself where that is given."""
    for graph in GRAPHS:
        if graph.learner.__name__ == name and learner in (None, graph.learner):
            return graph
    known = ", ".join(graph.learner.__name__ for graph in GRAPHS)
    raise ExportError(f"There is no ONNX graph for the learner {name}.", f"These can be exported: {known}.")

"""Graphs of learners in plain Python, which `model_file` writes with the onnx package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from edgedescent.learners import Learner

Array = NDArray[Any]
Constant = Array | np.float64
Events = Sequence[Mapping[str, object]]

ML = "ai.onnx.ml"
"""Operator set of LabelEncoder; all other operators are in the default one."""

# Element types for the attribute `to` of Cast, as numbered by ONNX.
FLOAT, INT64, DOUBLE = 1, 7, 11


@dataclass(frozen=True)
class Port:
    """Input or output of a graph; a word in its shape stands for any size."""

    name: str
    type: Literal["double", "string", "int64", "bool"]
    shape: tuple[str | int, ...]
    meaning: str
    default: Array | None = None
    """Value of an input that is not given."""

    def renamed(self, name: str) -> Port:
        """Return the same port under another name."""
        return replace(self, name=name)

    def describe(self) -> dict[str, object]:
        """Return the port as the model card shows it; types are written as onnxruntime writes them."""
        return {
            "name": self.name,
            "type": f"tensor({self.type})",
            "shape": list(self.shape),
            "meaning": self.meaning,
        }


@dataclass(frozen=True)
class Node:
    """One operator: the names it reads, the name it writes, its attributes, and the names of any further outputs."""

    operator: str
    inputs: Sequence[str]
    output: str
    attributes: Mapping[str, object] = field(default_factory=dict)
    domain: str = ""
    further_outputs: Sequence[str] = ()


@dataclass(frozen=True)
class Branch:
    """Nodes that only one outcome of an If runs, and what they return; they may read what was written before it."""

    nodes: Sequence[Node]
    outputs: Sequence[Port]


@dataclass(frozen=True)
class Graph:
    """Operators and constants that compute a learner's prediction.

    Args:
        inputs: Inputs of the graph.
        nodes: Operators, each after those whose output it reads; the last one writes ``prediction``.
        constants: Learned parameters by name.
        metadata: Entries that a reader of the file needs for the inputs, such as the order of the features. In the
            file, an entry that is not a text is JSON.
        output: Output of the last node.
        options: Inputs that may be left out; each has a default.
        further_outputs: Outputs beside the prediction.
    """

    inputs: Sequence[Port]
    nodes: Sequence[Node]
    constants: Mapping[str, Constant]
    metadata: Mapping[str, object] = field(default_factory=dict)
    output: Port = Port("prediction", "double", ("batch",), "the predicted target, in the target's own units")
    options: Sequence[Port] = ()
    further_outputs: Sequence[Port] = ()


class LearnerGraph(Protocol):
    """Conversion of one type of learner to a graph, and of events to the graph's inputs."""

    learner: type[Learner]
    usage: str
    """Python code that serves the snapshot with onnxruntime and numpy alone."""

    def build(self, learner: Learner) -> Graph:
        """Return the graph of the learner's present state."""
        ...

    def feed(self, metadata: Mapping[str, str], events: Events) -> dict[str, Array]:
        """Return the graph's inputs for decoded events, given the metadata of the file.

        Raises:
            InvalidEventError: If an event does not have the learner's kind of input.
        """
        ...


def sigmoid(score: str, output: str) -> tuple[list[Node], dict[str, Constant]]:
    """Return the nodes and constants for ``1 / (1 + exp(-score))``.

    Not the operator Sigmoid: onnxruntime's loses digits for negative scores, all of them from -37 on.
    """
    nodes = [
        Node("Neg", [score], "negative_score"),
        Node("Exp", ["negative_score"], "odds_against"),
        Node("Add", ["odds_against", "one"], "inverse_prediction"),
        Node("Reciprocal", ["inverse_prediction"], output),
    ]
    return nodes, {"one": np.float64(1.0)}


def learned(state: Mapping[str, Any], name: str) -> NDArray[np.float64]:
    """Return an array of a learner's state as 64-bit floats."""
    return np.asarray(state[name], dtype=np.float64)


def served(state: Mapping[str, Any], name: str) -> NDArray[np.float64]:
    """Return the parameters that predict: the average of the iterates if the optimizer keeps one."""
    return learned(state, f"{name}.average" if f"{name}.average" in state else name)

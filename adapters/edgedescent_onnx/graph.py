"""What a learner's graph is made of, in plain Python: only `model_file` knows the onnx package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from edgedescent.learners import Learner

Array = NDArray[Any]
Constant = Array | np.float64
Events = Sequence[Mapping[str, object]]

ML = "ai.onnx.ml"
"""The operator set that holds LabelEncoder; all other operators are in the default one."""


@dataclass(frozen=True)
class Port:
    """An input or output of a graph; where its shape holds a word instead of a number, any size will do."""

    name: str
    type: Literal["double", "string"]
    shape: tuple[str | int, ...]
    meaning: str

    def describe(self) -> dict[str, object]:
        """Say how a snapshot's card shows the port; types are written as onnxruntime writes them."""
        return {
            "name": self.name,
            "type": f"tensor({self.type})",
            "shape": list(self.shape),
            "meaning": self.meaning,
        }


@dataclass(frozen=True)
class Node:
    """One operator: the names it reads, the one name it writes, and its attributes."""

    operator: str
    inputs: Sequence[str]
    output: str
    attributes: Mapping[str, object] = field(default_factory=dict)
    domain: str = ""


@dataclass(frozen=True)
class Graph:
    """A learner as operators and constants, ready to be written as ONNX.

    Args:
        inputs: what a runtime feeds.
        nodes: the operators, each after those whose output it reads; the last one writes ``prediction``.
        constants: what was learned, by name.
        metadata: what a reader of the file needs to feed it, such as the order of the features.
        output: what the last node writes.
    """

    inputs: Sequence[Port]
    nodes: Sequence[Node]
    constants: Mapping[str, Constant]
    metadata: Mapping[str, str] = field(default_factory=dict)
    output: Port = Port("prediction", "double", ("batch",), "the predicted target, in the target's own units")


class LearnerGraph(Protocol):
    """How one type of learner is turned into a graph, and how its events are fed to it."""

    learner: type[Learner]
    usage: str
    """A few lines of Python that serve the snapshot with nothing but onnxruntime and numpy."""

    def build(self, learner: Learner) -> Graph:
        """Make the graph that predicts what `learner` predicts now."""
        ...

    def feed(self, metadata: Mapping[str, str], events: Events) -> dict[str, Array]:
        """Make the graph's inputs from decoded events, given the metadata of the file that is to be served.

        Raises:
            InvalidEventError: if an event is not of the kind that the learner takes.
        """
        ...


def learned(state: Mapping[str, Any], name: str) -> NDArray[np.float64]:
    """Return an array of a learner's state as 64-bit floats."""
    return np.asarray(state[name], dtype=np.float64)


def served(state: Mapping[str, Any], name: str) -> NDArray[np.float64]:
    """Return the parameters that predict: the average of the iterates where the optimizer keeps it."""
    return learned(state, f"{name}.average" if f"{name}.average" in state else name)

"""Base class of peers, and the import of the libraries that some of them need."""

from __future__ import annotations

import importlib
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Self

from edgedescent.errors import ConfigError
from edgedescent.validation import Declared

LARGEST = 1e30
"""Bound of values and labels: some libraries square them twice, and Python raises an error when that overflows."""


@dataclass(kw_only=True, eq=False)
class Peer(Declared, ABC):
    """A baseline or a learner of another library, with the methods of the project's learners.

    An instance serves one run. It makes its model at the first event, so that naming a peer in a scenario does not yet
    import its library. Its events are ``x`` (named features) or ``user, item``, by
    `input_kind`. A subclass is a dataclass whose fields declare its parameters; it makes its model in `_start`, and
    implements `_predict` and `_learn`.

    A label that is not finite, or larger than 1e30, is not learned. A prediction that is not finite becomes 0.0, and so
    does that of a model that has none yet.

    Attributes:
        n_skipped_targets: Number of events not learned because of their label.
        n_unusable_predictions: Number of predictions that were not finite, and became 0.0.
    """

    input_kind: ClassVar[Literal["features", "ratings", "both"]] = "features"
    """Shape of its events; a peer of both kinds looks at nothing but the labels."""
    is_repeatable: ClassVar[bool] = True
    """True if the same events give the same predictions to the last bit, in another process too."""

    n_skipped_targets: int = field(default=0, init=False, repr=False)
    n_unusable_predictions: int = field(default=0, init=False, repr=False)

    _is_started: bool = field(default=False, init=False, repr=False)

    # --- What a subclass implements -------------------------------------------------------------------------------

    @abstractmethod
    def _start(self) -> None:
        """Make the model.

        Raises:
            ConfigError: If its library is not installed.
        """

    @abstractmethod
    def _predict(self, *event: Any) -> float | None:
        """Return the model's prediction, None if it has none yet; the state stays as it is."""

    @abstractmethod
    def _learn(self, *event_and_label: Any) -> None:
        """Learn one event with a usable label."""

    # --- What a run calls -----------------------------------------------------------------------------------------

    def start(self) -> Self:
        """Make the model, unless it is made already; return the peer.

        Raises:
            ConfigError: If its library is not installed.
        """
        if not self._is_started:
            self._start()
            self._is_started = True
        return self

    def predict_one(self, *event: Any) -> float:
        """Return the prediction for one event; the state stays as it is.

        Args:
            event: Its features ``x``, or ``user`` and ``item``.

        Raises:
            ValueError: If the model cannot predict the event.
        """
        self.start()
        try:
            answer = self._predict(*event)
        except Exception as error:
            # Other libraries raise errors of any class for an event that they cannot use.
            raise ValueError(f"The peer {self._name} cannot predict this event: {one_line(error)}") from error
        prediction = 0.0 if answer is None else float(answer)
        if math.isfinite(prediction):
            return prediction
        self.n_unusable_predictions += 1
        return 0.0

    def learn_one(self, *event_and_label: Any) -> None:
        """Learn one event.

        Args:
            event_and_label: Its features ``x``, or ``user`` and ``item``; and its label ``y``.

        Raises:
            ValueError: If the model cannot learn the event.
        """
        self.start()
        # Negated, so that the condition holds for NaN too.
        if not abs(event_and_label[-1]) <= LARGEST:
            self.n_skipped_targets += 1
            return
        try:
            self._learn(*event_and_label)
        except Exception as error:
            raise ValueError(f"The peer {self._name} cannot learn this event: {one_line(error)}") from error

    def predict_learn_one(self, *event_and_label: Any) -> float:
        """Return the prediction for one event, then learn it.

        Args:
            event_and_label: As for `learn_one`.

        Raises:
            ValueError: If the model cannot predict or learn the event.
        """
        prediction = self.predict_one(*event_and_label[:-1])
        self.learn_one(*event_and_label)
        return prediction

    @property
    def _name(self) -> str:
        return type(self).__name__


def library(module: str, peer: str, extra: str) -> Any:
    """Import a module of a library that a peer needs.

    Args:
        module: Its full name.
        peer: Name of the peer, for the message.
        extra: Extra of this project that installs the library.

    Raises:
        ConfigError: If the library is not installed.

    >>> library("absent_library.models", "SGBR", "peers")
    Traceback (most recent call last):
    ...
    edgedescent.errors.ConfigError: The peer SGBR needs absent_library, which is not installed.
    """
    root = module.partition(".")[0]
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != root:
            raise
        raise ConfigError(
            f"The peer {peer} needs {root}, which is not installed.",
            f"Install it with: pip install 'edgedescent[{extra}]'",
        ) from error


def one_line(error: Exception) -> str:
    """Return the class and text of an error on one line, at most 200 characters of it.

    >>> one_line(KeyError("temp"))
    "KeyError: 'temp'"
    """
    return f"{type(error).__name__}: {' '.join(str(error).split()):.200}"

"""Base class of River's models as learners: guards, a state without pickle, and recovery from errors."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np

from edgedescent.errors import StateError
from edgedescent.learners import Learner
from edgedescent.validation import require_count
from edgedescent_river.object_graph import GraphError, decode, encode
from edgedescent_river.specification import Specification, build, describe
from edgedescent_river.undoing import Undoing

log = logging.getLogger(__name__)

LARGEST = 1e30
"""Bound of values and targets. It is smaller than that of our learners, because River squares values, some of them
twice, and Python raises an error when that overflows."""
_EVENTS_BETWEEN = 100
_COUNTS = ("n_events", "n_skipped_values", "n_skipped_targets", "n_not_learned", "measured_next", "full")


class RiverLearner(Learner):
    """Base class of learners that wrap a model of River.

    A subclass checks the model, cleans events, and passes them to `_predict` and `_learn`.
    """

    takes_text: ClassVar[bool] = False
    n_events: int
    """Number of events that the model has learned."""
    n_skipped_values: int
    """Number of values left out because they were not finite, or larger than 1e30."""
    n_skipped_targets: int
    """Number of events not learned because their target was not finite, or larger than 1e30."""
    n_not_learned: int
    """Number of events not learned because the model was larger than `state_bytes_max`."""
    n_unusable_predictions: int
    """Number of predictions since the start that were not finite and were replaced by the mean of the targets."""

    def _set_up(self, model: Specification, seed: int, state_bytes_max: int) -> None:
        """Validate and keep the parameters, and make the model.

        Raises:
            ValueError: If a parameter is out of its range, or the model cannot be saved and restored.
        """
        require_count(self, "seed", seed, at_most=2**32 - 1)
        require_count(self, "state_bytes_max", state_bytes_max, at_least=1)
        self.model: Specification = model if isinstance(model, str | list | dict) else describe(model)
        self.seed = seed
        self.state_bytes_max = state_bytes_max
        try:
            self.river = build(self.model, seed=seed)
            self._check_kind(self.river)
            self._graph = encode(self.river)
            if encode(build(self.model, seed=seed)) != self._graph:
                raise ValueError("`model` is another one each time it is made: a part of it has no fixed seed.")
            if encode(decode(self._graph)) != self._graph:
                raise ValueError("`model` does not come back from its saved state as it was.")
        except ValueError as error:
            raise ValueError(f"The `model` of {type(self).__name__} cannot be used: {error}") from error
        self._undoing = Undoing(self.river)
        self._since: list[tuple[Any, ...]] = []
        self._mean = 0.0
        self.n_unusable_predictions = 0
        self._set_counts([0, 0, 0, 0, _EVENTS_BETWEEN, 0])

    def _check_kind(self, model: Any) -> None:
        """Raise ValueError unless River's model is of the kind that this class wraps."""
        raise NotImplementedError

    @classmethod
    def of(cls, model: Any, **parameters: Any) -> Self:
        """Return a learner that wraps a trained model of River.

        Args:
            model: A regressor or a recommender of River.
            parameters: Parameters of the constructor beside `model`.

        Raises:
            ValueError: If a part of it cannot be saved.
        """
        learner = cls(model=describe(model), **parameters)  # type: ignore[call-arg]
        graph = encode(model)
        learner._restore(**{**learner._save(), "graph": np.frombuffer(graph, dtype=np.uint8)})
        return learner

    def counts(self) -> dict[str, int]:
        """Return the counts of guarded values, targets and predictions, and of events beyond the bound."""
        return {
            "values_skipped": self.n_skipped_values,
            "targets_skipped": self.n_skipped_targets,
            "predictions_replaced": self.n_unusable_predictions,
            "events_beyond_bound": self.n_not_learned,
        }

    def _predict(self, *given: Any) -> float:
        try:
            with self._undoing.of(self.river), np.errstate(all="ignore"):
                answer = self.river.predict_one(*given)
            prediction = math.nan if answer is None else float(answer)
        except Exception as error:
            # Models of River raise errors of any class for an event that they cannot use; none may end the daemon.
            raise ValueError(f"River's {self._name} cannot predict this event: {_one_line(error)}") from error
        if math.isfinite(prediction):
            return prediction
        self.n_unusable_predictions += 1
        return self._mean

    def _learn(self, skipped: int, y: float, *given: Any) -> None:
        if not abs(y) <= LARGEST:
            # Negated, so that the condition holds for NaN too.
            self.n_skipped_targets += 1
            return
        if self.full:
            self.n_not_learned += 1
            return
        try:
            self._teach(y, *given)
        except Exception as error:
            self._go_back()
            raise ValueError(f"River's {self._name} cannot learn this event: {_one_line(error)}") from error
        self._since.append((y, *given))
        self.n_skipped_values += skipped
        self.n_events += 1
        self._mean += (y - self._mean) / self.n_events
        if self.n_events >= self.measured_next:
            self._measure()

    def _teach(self, y: float, *given: Any) -> None:
        # An overflow shows in the prediction; a warning for each would fill the log.
        with np.errstate(all="ignore"):
            self.river.learn_one(*(dict(part) if isinstance(part, dict) else part for part in given), y)

    def _go_back(self) -> None:
        """Undo a partly learned event: restore the latest saved state and learn the events since then again."""
        self.river = decode(self._graph)
        for event in self._since:
            self._teach(*event)
        self._keep()

    def _keep(self) -> bytes:
        """Save the model, so that `_go_back` can restore it."""
        try:
            self._graph = encode(self.river)
        except GraphError as error:
            raise StateError(
                f"River's {self._name} cannot be saved: {error}", "Run another model: this one would not survive."
            ) from error
        self._since.clear()
        return self._graph

    def _measure(self) -> None:
        """Measure the size of the model; the larger it is, the more events until the next measurement."""
        size = len(self._keep())
        self.measured_next = self.n_events + max(_EVENTS_BETWEEN, size // 1000)
        if size > self.state_bytes_max:
            self.full = 1
            log.error(
                "River's %s has grown to %d bytes, more than `state_bytes_max` of %d: it learns no more.",
                self._name,
                size,
                self.state_bytes_max,
            )

    @property
    def _name(self) -> str:
        return type(self.river).__name__

    def _set_counts(self, counts: list[int]) -> None:
        (
            self.n_events,
            self.n_skipped_values,
            self.n_skipped_targets,
            self.n_not_learned,
            self.measured_next,
            self.full,
        ) = counts

    def _save(self) -> dict[str, Any]:
        return {
            "graph": np.frombuffer(self._keep(), dtype=np.uint8),
            "counts": np.array([getattr(self, name) for name in _COUNTS], dtype=np.int64),
            "mean": np.array([self._mean]),
        }

    def _restore(self, *_: Any, **values: Any) -> None:
        counts, mean = values["counts"].tolist(), values["mean"].tolist()
        if len(counts) != len(_COUNTS) or min(counts) < 0 or counts[-1] > 1:
            raise ValueError(f"The state's counts must be {len(_COUNTS)} numbers >= 0, the last 0 or 1. Got {counts}.")
        if len(mean) != 1:
            raise ValueError(f"The state's mean must be one number. Got {len(mean)}.")
        graph = values["graph"].tobytes()
        river = decode(graph)
        if type(river) is not type(self.river):
            raise ValueError(f"The state is of River's {type(river).__name__}, not of a {self._name}.")
        self.river, self._graph = river, graph
        self._since = []
        self._mean = mean[0]
        self._set_counts(counts)


def number(what: str, value: Any) -> float:
    """Return a number as a float: infinite if it is beyond all floats, NaN if it is a NaN.

    Raises:
        TypeError: If it is not a number.
    """
    from decimal import Decimal
    from numbers import Real

    if not isinstance(value, Real | Decimal | np.bool_):
        raise TypeError(f"{what} must be a number. Got {value!r:.80}.")
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf  # type: ignore[operator]


def text(what: str, value: str) -> str:
    """Return a text that can be saved.

    Raises:
        ValueError: If it is not valid Unicode.
    """
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{what} is not valid Unicode: {value!r:.80}.") from None
    return value


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split()):.200}"


def flat(x: Mapping[str, Any], prefix: str = "", depth: int = 0) -> dict[str, Any]:
    """Return the features of an event without nesting, with None for values that cannot be used.

    Raises:
        TypeError: If a name is not text, or a value neither a number nor text.
        ValueError: If a text is not valid Unicode, or the nesting is deeper than 16.
    """
    features: dict[str, Any] = {}
    for key, value in x.items():
        if not isinstance(key, str):
            raise TypeError(f"The name of a feature must be a string. Got {key!r:.80}.")
        name = prefix + text("A feature's name", key)
        kind = type(value)
        if kind is float:
            features[name] = value if abs(value) <= LARGEST else None
        elif kind is bool or value is None or (kind is int and abs(value) <= 2**53):
            features[name] = value
        elif isinstance(value, str):
            features[name] = text(f"The feature {name!r:.80}", str(value))
        elif isinstance(value, Mapping):
            if depth == 16:
                raise ValueError(f"The feature {name!r:.80} is nested more than 16 deep.")
            features.update(flat(value, f"{name}.", depth + 1))
        else:
            amount = number(f"The feature {name!r:.80}", value)
            features[name] = amount if abs(amount) <= LARGEST else None
    return features

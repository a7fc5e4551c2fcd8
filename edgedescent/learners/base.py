"""Base class of learners: parameters, saving and restoring of the state, copies."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping
from os import PathLike
from typing import Any, ClassVar, Literal, Self, SupportsIndex

import numpy as np

from edgedescent.learners.migration import Rule, is_possible, migrate
from edgedescent.learners.parameters import with_changes, with_nested
from edgedescent.optim import Optimizer
from edgedescent.validation import Declared, parameters

State = dict[str, "np.ndarray[Any, Any] | list[str]"]
"""State of a learner: arrays of numbers and lists of names, by name."""


_STATISTICS = ("inputs", "target")
"""Tables of running statistics."""
_STATISTICS_PARTS = (
    *("count", "mean", "variance", "window_mean", "window_variance"),
    *("block_count", "block_base", "block_sum", "block_squares", "block_far", "block_variance"),
    *("streak", "burst"),
)
"""Arrays of these tables."""


class Learner(Declared):
    """Base class of all learners.

    A subclass stores each constructor argument in an attribute of the same name, and implements `_save` and `_restore`
    (most inherit both from their compiled base class). `input_kind` is the kind of its events: named features, or a
    user and an item.
    """

    input_kind: ClassVar[Literal["features", "ratings"]]
    migrations: ClassVar[Mapping[str, Rule]] = {}
    """Rules that carry a learned state over when a parameter changes, by parameter: see
    `edgedescent.learners.migration`. A parameter that is not in it cannot be changed."""
    takes_text: ClassVar[bool] = True
    """True if feature values can be strings; wrapped models of other libraries may not support them."""
    labels_are_amounts: ClassVar[bool] = True
    """False if only the sign of a label counts, so that none is absurdly large."""
    decimal_comma: bool = False
    """True if texts such as "49,31" are numbers."""
    optimizer: Optimizer

    def get_params(self, deep: bool = False) -> dict[str, Any]:
        """Return the constructor arguments by name.

        Args:
            deep: True to add the parameters of the optimizer, the loss and the schedule by nested names, such as
                ``optimizer__lr``.

        >>> from edgedescent import LinearRegressor
        >>> LinearRegressor(l2=0.1).get_params()["l2"]
        0.1
        >>> from edgedescent.optim import SGD
        >>> LinearRegressor(optimizer=SGD(lr=0.1)).get_params(deep=True)["optimizer__lr"]
        0.1
        """
        params = {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}
        return with_nested(params) if deep else params

    def set_params(self, **params: Any) -> Self:
        """Change parameters in place, with what was learned where it still holds, as `edgedescent migrate` does.

        Where a change decides what the weights mean, nothing of them is left, which a warning says.

        Args:
            params: New values by name, such as ``l2`` or ``optimizer__lr``.

        Returns:
            The learner itself.

        Raises:
            ValueError: If a name is not a parameter, or a value is out of its range; the learner is then unchanged.

        >>> from edgedescent import LinearRegressor
        >>> LinearRegressor().set_params(l2=0.1, optimizer__forgetting=0.999)
        LinearRegressor(optimizer=RLS(forgetting=0.999), l2=0.1)
        """
        before = self.get_params()
        given = with_changes(self, before, params)
        if all(given[name] is before[name] for name in before):
            return self
        after = type(self)(**given)
        if getattr(self, "n_events", 0):
            notes = migrate(self, after, self.state_dict()).notes
            if is_possible(notes):
                after.__dict__.update(self._fitted())
            else:
                lost = "; ".join(note.text for note in notes if note.outcome == "impossible")
                warnings.warn(f"{type(self).__name__} begins anew: {lost}.", UserWarning, stacklevel=2)
        self._become(after)
        return self

    def _become(self, other: Self) -> None:
        """Take everything of another learner of the same kind, which is not to be used any more."""
        for name in self._fitted():
            del self.__dict__[name]
        # What others have set, such as a pipeline while it fits, stays.
        self.__dict__.update(other.__dict__)

    def clone(self, new_params: Mapping[str, Any] | None = None, include_attributes: bool = False) -> Self:
        """Make an untrained learner with the same parameters.

        Args:
            new_params: Parameters to change in the clone, by name.
            include_attributes: True to copy the learned state too.

        Raises:
            ValueError: If the learned state does not fit the new parameters.
            TypeError: If a name is not a parameter.

        >>> from edgedescent import LinearRegressor
        >>> LinearRegressor(l2=0.1).clone({"clip": 3.0})
        LinearRegressor(clip=3.0, l2=0.1)
        """
        clone = type(self)(**{**self.get_params(), **(new_params or {})})
        if include_attributes:
            clone.load_state_dict(self.state_dict())
            clone.__dict__.update(self._fitted())
        return clone

    def _fitted(self) -> dict[str, Any]:
        """Return what was learned beside the state: the attributes that scikit-learn names with a last underscore."""
        return {name: value for name, value in vars(self).items() if name.endswith("_") and not name.startswith("_")}

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.__dict__ and name in parameters(type(self)):
            raise AttributeError(
                f"`{name}` of {type(self).__name__} cannot be changed: "
                f"make a changed copy with clone({{{name!r}: {value!r}}})."
            )
        super().__setattr__(name, value)

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]:
        # Used by copy and pickle. The C pointers of the compiled base class cannot be copied, so a copy is restored
        # from the state, like a checkpoint. `__reduce__` would not work: that of the compiled class comes first.
        return _rebuilt, (type(self), self.get_params(), self.state_dict(), self._fitted())

    def __repr__(self) -> str:
        signature = inspect.signature(type(self)).parameters
        changed = [f"{k}={v!r}" for k, v in self.get_params().items() if v != signature[k].default]
        return f"{type(self).__name__}({', '.join(changed)})"

    @property
    def has_numeric_targets(self) -> bool:
        """False where targets are binary or interactions, so that an interval around a prediction says nothing."""
        return self.labels_are_amounts

    def save(self, path: str | PathLike[str]) -> None:
        """Write the learner to a file, from which `edgedescent.load` makes one that goes on to the last bit.

        The file has a version and a checksum, and no pickled objects: see `edgedescent.learners.model_file`.

        Args:
            path: The file; an existing one is replaced in one step.

        Raises:
            ValueError: If the class of the learner would not be found by its name.
            OSError: If the file cannot be written.
        """
        from edgedescent.learners import model_file

        model_file.save(self, path)

    def summary(self) -> str:
        """Return a text that says what the learner is and what it has learned.

        Example:
            >>> from edgedescent import LinearRegressor
            >>> model = LinearRegressor()
            >>> for i in range(500):
            ...     model.learn_one({"load": i % 11}, 2.0 * (i % 11))
            >>> print(model.summary())
            LinearRegressor()
            events learned: 500
            features: 1
            target: mean 9.94, standard deviation 6.327
            largest weights, in standard deviations of the target per standard deviation of the feature:
                 +0.9941  load
        """
        lines = [f"{self!r}", f"events learned: {getattr(self, 'n_events', 0):,}", *self._learned()]
        lines += [f"{name.replace('_', ' ')}: {count:,}" for name, count in self.counts().items() if count]
        return "\n".join(lines)

    def _learned(self) -> list[str]:
        """Return lines that say what was learned."""
        return []

    def counts(self) -> dict[str, int]:
        """Return counters of undone updates, skipped values and full tables; the daemon publishes them as metrics."""
        return {}

    def left_out(self) -> list[str]:
        """Return the features whose categories never repeat, and are not learned any more."""
        return []

    def set_label_delay(self, n_events: int) -> None:
        """Set how many events lie between the last label and the next event; it matters to `AutoRegressor` only."""

    def skip_one(self, x: Mapping[str, Any]) -> None:
        """Take in that the label of an event will not come; it matters to `AutoRegressor` only."""

    def state_dict(self) -> State:
        """Return a copy of the learned state by name; `load_state_dict` restores it bit for bit."""
        state: State = {}
        for name, value in self._save().items():
            if _is_table(value):
                # A table has several arrays: parameters and optimizer slots, or the statistics of a scaler.
                for part, array in zip(self._parts(name, len(value)), value, strict=True):
                    state[part] = array
            else:
                state[name] = value
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a state that `state_dict` returned.

        Args:
            state: State by name.

        Raises:
            ValueError: If a name is missing or unknown, an array has a wrong type or shape, or a value is not finite.
                The learner is then unchanged.
        """
        expected = self._save()
        values: dict[str, Any] = {}
        names: set[str] = set()
        for name, value in expected.items():
            parts = self._parts(name, len(value)) if _is_table(value) else [name]
            names.update(parts)
            missing = [part for part in parts if part not in state]
            if missing:
                raise ValueError(f"The state of {type(self).__name__} lacks {', '.join(missing)}.")
            if _is_table(value):
                values[name] = [checked(p, state[p], like) for p, like in zip(parts, value, strict=True)]
            else:
                values[name] = checked(name, state[name], value)
        if unknown := sorted(map(str, set(state) - names)):
            raise ValueError(f"{type(self).__name__} has no state named {', '.join(unknown)}.")
        try:
            self._restore(**values)
        except Exception:
            self._restore(**expected)
            raise

    def tables(self) -> list[str]:
        """Return the names of the tables of parameters, each of which has the slots of the optimizer."""
        return [name for name, value in self._save().items() if _is_table(value) and name not in _STATISTICS]

    def _parts(self, name: str, count: int) -> list[str]:
        """Return the names of the arrays of the table `name`."""
        if name in _STATISTICS:
            return [f"{name}.{part}" for part in _STATISTICS_PARTS]
        return [name, *(f"{name}.{slot}" for slot in self.optimizer.state_names)][:count]

    def _save(self) -> dict[str, Any]:
        raise NotImplementedError

    def _restore(self, *args: Any, **values: Any) -> None:
        raise NotImplementedError


def _rebuilt(kind: type[Learner], params: dict[str, Any], state: State, fitted: dict[str, Any]) -> Learner:
    learner = kind(**params)
    learner.load_state_dict(state)
    learner.__dict__.update(fitted)
    return learner


def _is_table(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], np.ndarray)


def checked(name: str, value: Any, like: Any) -> Any:
    """Part of a state, with the types of another one.

    Raises:
        ValueError: If it has others, or holds a number that is not finite.
    """
    if isinstance(like, list):
        if isinstance(value, np.ndarray) and value.ndim == 1 and (value.dtype.kind == "U" or not value.size):
            # As numpy.savez writes a list.
            value = value.tolist()
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise ValueError(f"The state's {name} must be a list of names. Got {type(value).__name__}.")
        return list(value)
    array = np.asarray(value)
    if array.dtype != like.dtype or array.ndim != like.ndim:
        raise ValueError(
            f"The state's {name} must be {like.dtype} with {like.ndim} dimensions. Got {array.dtype} with {array.ndim}."
        )
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError(f"The state's {name} holds a value that is not finite.")
    # joblib reads arrays as memory maps that cannot be written.
    return array if array.flags.writeable else array.copy()

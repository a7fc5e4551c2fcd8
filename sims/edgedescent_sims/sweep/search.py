"""Search: configurations that a sweep tries, all at once (grid, random) or in generations (Optuna)."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edgedescent.errors import ConfigError
from edgedescent_sims.sweep.space import Choices, Dimension, SearchSpace

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Values = dict[str, Any]
"""Values of the searched parameters by their dotted paths."""
Losses = Sequence[float | None]
"""Loss of each configuration of a generation; None if a run of it failed."""


class Search(ABC):
    """Source of the configurations of one learner.

    The configurations must depend on nothing but the arguments and the losses, so that a sweep that goes on after a
    kill asks for the same ones again.

    Args:
        space: What is searched.
        n: Number of configurations.
        seed: Seed of what is drawn.
        size: Number of configurations that are proposed before a loss is known.
    """

    def __init__(self, space: SearchSpace, n: int, *, seed: int = 1, size: int = 10) -> None:
        self.space = space
        self.n = n
        self.seed = seed
        self.size = size

    @abstractmethod
    def generations(self) -> Iterator[list[Values]]:
        """Yield configurations to run next; `tell` is called with their losses before the next ones are asked for."""

    def tell(self, losses: Losses) -> None:
        """Take the losses of the configurations of the latest generation, in their order; most searches ignore them."""
        del losses


class GridSearch(Search):
    """All combinations of the choices, and of `steps` values of each range."""

    def generations(self) -> Iterator[list[Values]]:
        """Yield all combinations."""
        yield list(self.space.grid())


class RandomSearch(Search):
    """Independent draws. Those of a sweep with a larger `n` begin with those of a smaller one."""

    def generations(self) -> Iterator[list[Values]]:
        """Yield all draws."""
        yield [self.space.draw(np.random.default_rng([self.seed, i])) for i in range(self.n)]


class OptunaSearch(Search):
    """Bayesian optimization by Optuna's tree-structured Parzen estimator (Bergstra et al. 2011), in generations.

    A generation of `size` configurations is asked for, all of them are run in any order, and their losses are told in
    the order in which they were asked for. So what is asked for next depends neither on the order in which runs end,
    nor on the number of processes, nor on interruptions: a sweep that goes on asks for everything from the start, and
    finds the runs of the earlier generations in its journal.
    """

    def __init__(self, space: SearchSpace, n: int, *, seed: int = 1, size: int = 10) -> None:
        super().__init__(space, n, seed=seed, size=size)
        try:
            import optuna
        except ImportError as error:
            raise ConfigError(
                'Optuna is not installed, which `method = "optuna"` needs.',
                "Run: pip install 'edgedescent[sweep]', or choose \"random\".",
            ) from error
        optuna.logging.set_verbosity(logging.WARNING)
        self._distributions = {path: _distribution(each) for path, each in space.dimensions.items()}
        self._study = optuna.create_study(
            sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=size), direction="minimize"
        )
        self._asked: list[Any] = []

    def generations(self) -> Iterator[list[Values]]:
        """Yield one generation after the other."""
        for start in range(0, self.n, self.size):
            count = min(self.size, self.n - start)
            self._asked = [self._study.ask(self._distributions) for _ in range(count)]
            yield [self._values(trial.params) for trial in self._asked]

    def tell(self, losses: Losses) -> None:
        """Tell Optuna the losses, in the order in which it proposed the configurations."""
        from optuna.trial import TrialState

        for trial, loss in zip(self._asked, losses, strict=True):
            if loss is None:
                self._study.tell(trial, state=TrialState.FAIL)
            else:
                self._study.tell(trial, loss)

    def _values(self, drawn: Mapping[str, Any]) -> Values:
        values = {}
        for path, dimension in self.space.dimensions.items():
            value = drawn[path]
            values[path] = dimension.values[value] if isinstance(dimension, Choices) else dimension.value(value)
        return values


def _distribution(dimension: Dimension) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(dimension, Choices):
        # Optuna stores the choices, and tables are none that it could store.
        return CategoricalDistribution(range(len(dimension.values)))
    if dimension.is_integer:
        return IntDistribution(int(dimension.low), int(dimension.high), log=dimension.is_log)
    return FloatDistribution(dimension.low, dimension.high, log=dimension.is_log)


@dataclass(frozen=True)
class Method:
    """A way to search."""

    search: type[Search]
    needs_number: bool
    """True if the number of configurations must be stated."""


METHODS: dict[str, Method] = {
    "grid": Method(GridSearch, needs_number=False),
    "random": Method(RandomSearch, needs_number=True),
    "optuna": Method(OptunaSearch, needs_number=True),
}

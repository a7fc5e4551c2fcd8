"""River's data sets and synthetic generators for regression, by name."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
from msgspec import Meta

from edgedescent.errors import ConfigError
from edgedescent_sims.sources.base import SourceOptions, suggest
from edgedescent_sims.sources.batch import BATCH_EVENTS
from edgedescent_sims.sources.columns import Cells
from edgedescent_sims.sources.table import Rows, TableSource

_SYNTH = "synth."
_ENDLESS_EVENTS = 10_000
"""Number of events of a generator, which has no end of its own, where none is given."""


@dataclass(kw_only=True, eq=False)
class RiverSource(TableSource):
    """A River data set, such as ``ChickWeights``, or one of its generators, such as ``FriedmanDrift``.

    The name may be written in any case of letters, that of a generator with or without ``synth.`` before it. Texts,
    times and ids among the features are treated as those of a CSV file are; see `TableSource`.

    Raises:
        ConfigError: If River is not installed, has no such data set, has not downloaded it yet, or it is none of
            regression.

    References:
        Montiel et al. (2021), "River: machine learning for streaming data in Python", JMLR 22.

    Example:
        >>> source = RiverSource("FriedmanDrift", options={"drift_type": "gra"}, limit=100)  # doctest: +SKIP
    """

    dataset: Annotated[str, Meta(description="Name of the data set or generator")] = field(kw_only=False)
    seed: Annotated[int, Meta(ge=0, description="Seed of a generator")] = 1
    options: Annotated[
        dict[str, Any] | None, Meta(description="Further parameters of the data set or generator, as River names them")
    ] = None

    _class: Any = field(default=None, init=False, repr=False)
    _parameters: dict[str, Any] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        classes = _classes()
        by_folded = {known.casefold(): known for known in classes}
        folded = self.dataset.casefold().removeprefix(_SYNTH)
        if folded not in by_folded:
            raise ConfigError(
                f"There is no file, generator or River data set named {self.dataset!r}.",
                hint=suggest(self.dataset, sorted(classes), "River data sets for regression"),
            )
        self.dataset = by_folded[folded]
        self._class = classes[self.dataset]
        self._parameters = self._checked_parameters()
        if not getattr(self._make(), "is_downloaded", True):
            raise ConfigError(
                f"{self.dataset} does not come with River; it has to be downloaded first.",
                hint=f'Run: python -c "from river import datasets; datasets.{self.dataset}().download()"',
            )

    @classmethod
    def recognizes(cls, spec: str) -> bool:
        """Return True for everything that can be a name; importing River to look it up takes a second."""
        path = Path(spec.removeprefix(_SYNTH))
        return len(path.parts) == 1 and not path.suffix and not path.exists()

    @classmethod
    def open(cls, spec: str, options: SourceOptions) -> Self:
        """Return the source of a name; it knows its target."""
        options.refuse(spec, "a River data set knows its target", "target")
        return cls(spec, drop=options.drop, categories=options.categories, time=options.time)

    @property
    def name(self) -> str:
        """Name of the data set."""
        return self.dataset

    def length(self) -> int | None:
        """Return the number of rows that River states, within the limit."""
        count = self._make().n_samples
        rows = max(count - self.skip, 0) if isinstance(count, int) else _ENDLESS_EVENTS
        if self.limit is None:
            return rows
        return min(rows, self.limit) if isinstance(count, int) else self.limit

    @property
    def _target(self) -> str:
        target = getattr(self._make(), "target", None)
        return target if isinstance(target, str) else "y"

    def _make(self) -> Any:
        return self._class(**self._parameters)

    def _checked_parameters(self) -> dict[str, Any]:
        accepted = inspect.signature(self._class).parameters
        given = dict(self.options or {})
        for name in given:
            if name not in accepted:
                raise ConfigError(
                    f"{self.dataset} has no parameter {name!r}.", hint=suggest(name, list(accepted), "parameters")
                )
        # TOML has lists where River wants tuples.
        given = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
        return {"seed": self.seed, **given} if "seed" in accepted else given

    def _rows(self) -> Iterator[Rows]:
        target = self._target
        dataset = self._make()
        # River closes a file only where it is read to its end.
        whole = self.limit is None and isinstance(dataset.n_samples, int)
        events = islice(dataset, self.skip, None if whole else self.skip + (self.length() or 0))
        first = 1
        while piece := list(islice(events, BATCH_EVENTS)):
            names = dict.fromkeys(str(name) for x, _ in piece for name in x)
            cells: dict[str, Cells] = {name: [x.get(name) for x, _ in piece] for name in names}
            # Generators of River name features by number.
            if any(not isinstance(name, str) for name in piece[0][0]):
                cells = {name: [x.get(int(name)) for x, _ in piece] for name in names}
            cells[target] = [y for _, y in piece]
            yield Rows(np.arange(first, first + len(piece), dtype=np.int64), cells, [])
            first += len(piece)


def _classes() -> Mapping[str, Any]:
    """Data sets and generators for regression by name."""
    try:
        from river import datasets
        from river.datasets import synth
    except ImportError as error:
        raise ConfigError(
            "River is not installed, so its data sets cannot be replayed.",
            hint="Run: pip install 'edgedescent[river]'; or give the path of a file.",
        ) from error
    members = {**vars(datasets), **vars(synth)}
    return {
        name: member
        for name, member in members.items()
        if inspect.isclass(member) and issubclass(member, datasets.base.Dataset) and _is_regression(member)
    }


def _is_regression(kind: Any) -> bool:
    required = [
        parameter
        for parameter in inspect.signature(kind).parameters.values()
        if parameter.default is parameter.empty and parameter.kind is not parameter.VAR_KEYWORD
    ]
    return not required and kind().task == "Regression"

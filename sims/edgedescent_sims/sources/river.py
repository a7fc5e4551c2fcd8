"""Data sets that come with River, by name."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgedescent.errors import ConfigError
from edgedescent_sims.sources.base import SourceOptions, suggest
from edgedescent_sims.sources.tabular import Row, TabularSource


class RiverSource(TabularSource):
    """A River data set with a numeric target, such as `ChickWeights` or `TrumpApproval`.

    Args:
        spec: The data set's name, in any case of letters.
        options: `target` does not apply: a data set knows its own.

    Raises:
        ConfigError: If River is not installed, has no such data set, or has not downloaded it yet.
    """

    def __init__(self, spec: str, options: SourceOptions) -> None:
        classes = _datasets()
        by_folded = {known.casefold(): known for known in classes}
        if spec.casefold() not in by_folded:
            raise ConfigError(
                f"There is no file and no River data set named {spec!r}.",
                hint=suggest(spec, sorted(classes), "River data sets"),
            )
        known = by_folded[spec.casefold()]
        if options.target is not None:
            raise ConfigError(f"--target does not apply to {known}: a River data set knows its target.")
        self._dataset: Any = classes[known]()
        if not getattr(self._dataset, "is_downloaded", True):
            raise ConfigError(
                f"{known} does not come with River; it has to be downloaded first.",
                hint=f'Run: python -c "from river import datasets; datasets.{known}().download()"',
            )
        super().__init__(known, getattr(self._dataset, "target", None) or "y", options)

    @classmethod
    def recognizes(cls, spec: str) -> bool:
        """Return True for everything that can be a name; importing River to look it up takes a second."""
        path = Path(spec)
        return len(path.parts) == 1 and not path.suffix and not path.exists()

    def length(self) -> int | None:
        """Return the number of rows that River states."""
        count = self._dataset.n_samples
        return count if isinstance(count, int) else None

    def _rows(self) -> Iterator[Row]:
        for number, (cells, target) in enumerate(self._dataset, start=1):
            yield number, cells, target


def _datasets() -> dict[str, Any]:
    try:
        from river import datasets
    except ImportError as fault:
        raise ConfigError(
            "River is not installed, so its data sets cannot be replayed.",
            hint="Run: pip install 'edgedescent[river]'; or give the path of a file.",
        ) from fault
    return {
        name: member
        for name, member in vars(datasets).items()
        if inspect.isclass(member) and issubclass(member, datasets.base.Dataset)
    }

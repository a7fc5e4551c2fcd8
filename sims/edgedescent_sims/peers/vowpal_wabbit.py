"""Vowpal Wabbit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from msgspec import Meta

from edgedescent.errors import ConfigError
from edgedescent_sims.peers.base import LARGEST, Peer, library, one_line

_ESCAPED = str.maketrans({char: f"%{ord(char):02X}" for char in "% :|\t\n\r"})
"""Characters that mean something in its text format."""


@dataclass(kw_only=True, eq=False)
class VowpalWabbit(Peer):
    """Vowpal Wabbit, a linear learner with hashed features, with the options of its command line.

    A missing feature is not in the event, which is the same as 0. A text is the feature ``name=value``. Its
    predictions are clipped to the range of the labels so far, and its arithmetic has single precision.

    Example:
        >>> peer = VowpalWabbit(options="--coin")
        >>> for i in range(500):
        ...     peer.learn_one({"temp": float(i % 7), "site": "north"}, 3.0 * (i % 7))
        >>> abs(peer.predict_one({"temp": 4.0, "site": "north"}) - 12.0) < 1.0
        True

    References:
        https://vowpalwabbit.org
    """

    options: Annotated[
        str, Meta(description="Options of its command line, such as '--coin' or '--bit_precision 20'")
    ] = ""

    def _start(self) -> None:
        package = library("vowpalwabbit", self._name, "peers")
        try:
            self.model: Any = package.Workspace(f"--quiet {self.options}")
        except RuntimeError as error:
            raise ConfigError(
                f"The `options` of {self._name} are {self.options!r}, which Vowpal Wabbit refuses: {one_line(error)}"
            ) from error
        if self.model.get_prediction_type() != self.model.pSCALAR:
            raise ConfigError(f"The `options` of {self._name} are {self.options!r}: it must predict one number.")

    def _predict(self, *event: Any) -> float:
        return float(self.model.predict(f"| {_line(event[0])}"))

    def _learn(self, *event_and_label: Any) -> None:
        x, y = event_and_label
        self.model.learn(f"{float(y)!r} | {_line(x)}")


def _line(x: Mapping[str, float | str | None]) -> str:
    """Return the features in Vowpal Wabbit's text format.

    >>> _line({"temp": 20.5, "site": "north west", "flow": float("nan")})
    'temp:20.5 site=north%20west'
    """
    words = []
    for name, value in x.items():
        if isinstance(value, str):
            words.append(f"{name.translate(_ESCAPED)}={value.translate(_ESCAPED)}")
        elif value is not None and abs(value) <= LARGEST:
            words.append(f"{name.translate(_ESCAPED)}:{float(value)!r}")
    return " ".join(words)

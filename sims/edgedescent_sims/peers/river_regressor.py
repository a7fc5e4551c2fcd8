"""Base class of peers that are regressors of River."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from edgedescent_sims.peers.base import Peer, library
from edgedescent_sims.peers.features import Numbers, ZeroFill, split


@dataclass(kw_only=True, eq=False)
class RiverRegressor(Peer):
    """Base class of peers that are regressors of River, behind its StandardScaler or as they are.

    A text becomes an indicator with the value 1.0, as River's OneHotEncoder makes it, which is not scaled. What becomes
    of a missing feature depends on the model: linear models leave it out of the sum, which after the scaler is the same
    as its mean; `zeros` says what is filled in for the others. A subclass makes its regressor in `_regressor`.

    Attributes:
        model: River's own model, as it would be made without this class.
    """

    is_scaled: ClassVar[bool] = True
    """True if a StandardScaler comes before the regressor."""
    zeros: ClassVar[Literal["none", "texts", "all"]] = "none"
    """Features that get the value 0.0 where they are missing: none, indicators of texts seen before, or all."""

    model: ClassVar[Any]

    @abstractmethod
    def _regressor(self) -> Any:
        """Make River's regressor."""

    def _import(self, package: str) -> Any:
        return library(f"river.{package}", self._name, "river")

    def _start(self) -> None:
        self._model = self._regressor()
        self._scaler: Any = self._import("preprocessing").StandardScaler() if self.is_scaled else None
        self._fill = ZeroFill()
        # The same two objects. A pipeline of them takes numbers; texts have to bypass the scaler.
        self.model = self._scaler | self._model if self.is_scaled else self._model  # type: ignore[misc]
        self._has_texts = False

    def _predict(self, *event: Any) -> float | None:
        x: Mapping[str, Any] = event[0]
        numbers, indicators = split(x)
        if indicators or self._has_texts or self.zeros == "all":
            return self._model.predict_one(self._features(numbers, indicators))  # type: ignore[no-any-return]
        return self.model.predict_one(numbers)  # type: ignore[no-any-return]

    def _learn(self, *event_and_label: Any) -> None:
        x, y = event_and_label
        numbers, indicators = split(x)
        if not (indicators or self._has_texts or self.zeros == "all"):
            self.model.learn_one(numbers, y)
            return
        self._has_texts = self._has_texts or bool(indicators)
        if self._scaler is not None:
            self._scaler.learn_one(numbers)
        if self.zeros == "texts":
            self._fill.learn(indicators)
        elif self.zeros == "all":
            self._fill.learn({**numbers, **indicators})
        self._model.learn_one(self._features(numbers, indicators), y)

    def _features(self, numbers: Numbers, indicators: Numbers) -> Numbers:
        scaled = numbers if self._scaler is None else self._scaler.transform_one(numbers)
        if self.zeros == "all":
            return self._fill.transform({**scaled, **indicators})
        return {**scaled, **self._fill.transform(indicators)}

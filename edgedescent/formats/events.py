"""Events: what one message holds, whatever its payload format."""

from __future__ import annotations

from typing import Any

import msgspec

Value = float | int | bool | str | dict[str, Any] | list[Any] | None
"""Value of a feature: a number, a text, a nest or list of further features, or None where it is missing."""


class FeatureEvent(msgspec.Struct, frozen=True, gc=False):
    """Event of a learner of named features: learned where it has a target `y`, else only predicted."""

    x: dict[str, Value]
    y: float | bool | None = None
    id: str | int | None = None
    """Id by which a repeat is recognized."""


class RatingEvent(msgspec.Struct, frozen=True, gc=False):
    """Event of a recommender: learned where it has a rating `y`, else only predicted."""

    user: str | int
    item: str | int
    y: float | bool | None = None
    id: str | int | None = None
    """Id by which a repeat is recognized."""


class ItemEvent(msgspec.Struct, frozen=True, gc=False):
    """Event of a recommender about an item alone: its attributes, its launch or its withdrawal."""

    item: str | int
    x: dict[str, Value] | None = None
    """Attributes, which replace those before; None where they stay."""
    available: bool | None = None
    """False for an item that is not to be recommended any more, True where that ends; None where it stays."""
    id: str | int | None = None
    """Id by which a repeat is recognized."""

    @property
    def y(self) -> None:
        """It has no label."""


Event = FeatureEvent | RatingEvent | ItemEvent

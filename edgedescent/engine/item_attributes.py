"""Attributes of items, such as titles, which lists of recommended items carry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from edgedescent.engine.requests import ID_BYTES_MAX
from edgedescent.errors import InvalidEventError
from edgedescent.ranking.diversity import Categories

ATTRIBUTES_BYTES_MAX = 1024
"""Largest size of the attributes of an item as JSON."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class _CategoriesOf(Mapping[str, tuple[str, ...]]):
    """Categories by item, read where they are asked for."""

    def __init__(self, texts: Mapping[str, bytes], name: str) -> None:
        self._texts = texts
        self._name = name

    def __getitem__(self, item: str) -> tuple[str, ...]:
        found = _decode(self._texts[item]).get(self._name, ())
        values = found if isinstance(found, list) else [found]
        return tuple(value for value in values if isinstance(value, str))

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)


class ItemAttributes:
    """Attributes by item, as JSON. Beyond the bound, those that were set the longest time ago are forgotten.

    Args:
        items_max: Number of items whose attributes are kept.

    Example:
        >>> attributes = ItemAttributes(2)
        >>> for item in ("tea", "milk", "beer"):
        ...     attributes.set(item, {"title": item.upper()})
        >>> [found and bytes(found) for found in attributes.of(["tea", "beer"])]
        [None, b'{"title":"BEER"}']
    """

    def __init__(self, items_max: int) -> None:
        self._items_max = items_max
        self._json: dict[str, bytes] = {}
        """In the order in which they were set."""

    def __len__(self) -> int:
        return len(self._json)

    @property
    def items_max(self) -> int:
        """Number of items whose attributes are kept."""
        return self._items_max

    @items_max.setter
    def items_max(self, items_max: int) -> None:
        self._items_max = items_max
        self._forget()

    def set(self, item: str | int, x: dict[str, Any]) -> None:
        """Replace the attributes of an item; none forget it.

        Raises:
            InvalidEventError: If the id or the attributes are too long.
        """
        name = str(item)
        if len(name.encode()) > ID_BYTES_MAX:
            raise InvalidEventError("too_large", f"The item id has more than {ID_BYTES_MAX} bytes.")
        try:
            text = _encode(x)
        except RecursionError:
            raise InvalidEventError("too_deep", "`x` of an item is nested too deeply.") from None
        if len(text) > ATTRIBUTES_BYTES_MAX:
            raise InvalidEventError(
                "too_large", f"`x` of an item has {len(text)} bytes: expected at most {ATTRIBUTES_BYTES_MAX}."
            )
        self._json.pop(name, None)
        if x:
            self._json[name] = text
            self._forget()

    def _forget(self) -> None:
        while len(self._json) > self._items_max:
            del self._json[next(iter(self._json))]

    def of(self, items: list[str]) -> list[msgspec.Raw | None]:
        """Attributes of items, in their order; None where there are none."""
        return [msgspec.Raw(found) if (found := self._json.get(item)) is not None else None for item in items]

    def categories(self, name: str) -> Categories:
        """Categories by item that an attribute says: a text, or a list of texts.

        Example:
            >>> attributes = ItemAttributes(2)
            >>> attributes.set("tea", {"kind": "drink", "grown_in": ["India", "Japan"]})
            >>> attributes.categories("kind")["tea"], attributes.categories("grown_in")["tea"]
            (('drink',), ('India', 'Japan'))
        """
        return _CategoriesOf(self._json, name)

    def save(self) -> dict[str, list[str]]:
        """State as lists of texts; empty where nothing is known."""
        if not self._json:
            return {}
        return {
            "attributes.items": list(self._json),
            "attributes.json": [text.decode() for text in self._json.values()],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Restore what `save` returned, or nothing from a state without it.

        Raises:
            ValueError: If it is damaged.
        """
        items, texts = state.get("attributes.items", []), state.get("attributes.json", [])
        if len(items) != len(texts) or len(set(items)) < len(items):
            raise ValueError(f"The {len(texts)} attributes in the state are not those of {len(items)} items.")
        for item, text in zip(items, texts, strict=True):
            try:
                _decode(text)
            except (msgspec.DecodeError, RecursionError) as error:
                raise ValueError(f"The attributes of {item!r:.80} in the state cannot be read: {error}") from error
        self._json = {item: text.encode() for item, text in zip(items, texts, strict=True)}
        self._forget()

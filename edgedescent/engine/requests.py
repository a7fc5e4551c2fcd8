"""Requests for recommendations: what a client may ask, read from JSON and checked."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from edgedescent.errors import InvalidEventError, did_you_mean, shown

ID_BYTES_MAX = 512
"""Largest id of a user or an item, as the learners take it."""
K_MAX = 1000
"""Most items of one list."""
REQUESTS_MAX = 100
"""Most requests of one message."""
CANDIDATES_MAX = 10_000
"""Most ids of `among` and of `exclude`."""
_KEYS = ("user", "k", "exclude", "among", "exclude_seen", "attributes", "reasons", "id")
_decode = msgspec.json.Decoder().decode
_split = msgspec.json.Decoder(list[msgspec.Raw]).decode


class Request(NamedTuple):
    """Question for the best items of a user."""

    user: str | int
    k: int | None = None
    """Number of items; None for the configured one."""
    exclude: tuple[str | int, ...] = ()
    """Items to leave out."""
    among: tuple[str | int, ...] | None = None
    """Items to rank; None for all known ones."""
    exclude_seen: bool | None = None
    """True to leave out what the user had lately; None for what is configured."""
    attributes: bool | None = None
    """True for the attributes of the items beside them; None for what is configured."""
    reasons: bool = False
    """True for the items of the user because of which each item is recommended."""
    id: str | int | None = None
    """Id that the answer carries."""


def split(payload: bytes, payload_bytes_max: int) -> tuple[list[bytes], bool]:
    """The requests of a message as JSON, and whether they are those of an array.

    Args:
        payload: The message.
        payload_bytes_max: Largest payload that is read.

    Raises:
        InvalidEventError: If the message is too large, holds too many requests, or is an array that cannot be read.

    Example:
        >>> split(b'[{"user": "ann"}, {"user": "bob"}]', 100)
        ([b'{"user": "ann"}', b'{"user": "bob"}'], True)
    """
    if len(payload) > payload_bytes_max:
        raise InvalidEventError(
            "too_large", f"The payload has {len(payload)} bytes; at most {payload_bytes_max} are taken."
        )
    if not payload.lstrip().startswith(b"["):
        return [payload], False
    try:
        parts = [bytes(part) for part in _split(payload)]
    except RecursionError:
        raise InvalidEventError("too_deep", "The requests are nested too deeply.") from None
    except (msgspec.DecodeError, ValueError) as error:
        raise InvalidEventError("malformed", f"The requests are not JSON: {error}.") from None
    if len(parts) > REQUESTS_MAX:
        raise InvalidEventError(
            "too_many_events", f"The message has {len(parts)} requests; at most {REQUESTS_MAX} are answered."
        )
    return parts, True


def read_request(payload: bytes) -> Request:
    """The request that a JSON object holds.

    Args:
        payload: ``{"user": …}``, and optionally ``k``, ``exclude``, ``among``, ``exclude_seen``, ``attributes``,
            ``reasons`` and ``id``.

    Raises:
        InvalidEventError: If it is none; it names the field, its value and what was expected.

    Example:
        >>> request = read_request(b'{"user": "ann", "k": 3, "exclude": ["tea"]}')
        >>> request.user, request.k, request.exclude, request.among
        ('ann', 3, ('tea',), None)
        >>> read_request(b'{"user": "ann", "exclude": "tea"}')
        Traceback (most recent call last):
        edgedescent.errors.InvalidEventError: `exclude` is 'tea': expected a list of item ids.
    """
    try:
        fields = _decode(payload)
    except RecursionError:
        raise InvalidEventError("too_deep", "The request is nested too deeply.") from None
    except (msgspec.DecodeError, ValueError) as error:
        raise InvalidEventError("malformed", f"The request is not JSON: {error}.") from None
    if not isinstance(fields, dict):
        raise InvalidEventError("wrong_type", f"The request is {shown(fields)}: expected an object with a `user`.")
    for key in fields:
        if key not in _KEYS:
            text = f"`{key[:80]}` is not a field of a request: expected one of {', '.join(_KEYS)}."
            raise InvalidEventError("wrong_type", f"{text} {did_you_mean(key, _KEYS)}".rstrip())
    # What is null is not given.
    given = {key: value for key, value in fields.items() if value is not None}
    if "user" not in given:
        raise InvalidEventError("missing_field", "`user` is missing: expected the id of a user.")
    return Request(
        user=_id("user", given["user"]),
        k=_number_of_items(given.get("k")),
        exclude=_ids("exclude", given["exclude"]) if "exclude" in given else (),
        among=_ids("among", given["among"]) if "among" in given else None,
        exclude_seen=_flag("exclude_seen", given.get("exclude_seen")),
        attributes=_flag("attributes", given.get("attributes")),
        reasons=_flag("reasons", given.get("reasons")) or False,
        id=_id("id", given["id"]) if "id" in given else None,
    )


def id_of(payload: bytes) -> str | int | None:
    """Id of a request that was refused, for the answer; None if it has none that can be used."""
    try:
        fields = _decode(payload)
        return _id("id", fields["id"]) if isinstance(fields, dict) and fields.get("id") is not None else None
    except (msgspec.DecodeError, InvalidEventError, ValueError, RecursionError):
        return None


def _number_of_items(k: Any) -> int | None:
    if k is None:
        return None
    if not isinstance(k, int) or isinstance(k, bool):
        raise InvalidEventError("wrong_type", f"`k` is {shown(k)}: expected an integer from 1 to {K_MAX}.")
    if not 1 <= k <= K_MAX:
        raise InvalidEventError("out_of_range", f"`k` is {shown(k)}: expected an integer from 1 to {K_MAX}.")
    return k


def _flag(name: str, value: Any) -> bool | None:
    if value is not None and not isinstance(value, bool):
        raise InvalidEventError("wrong_type", f"`{name}` is {shown(value)}: expected true or false.")
    return value


def _id(name: str, value: Any) -> str | int:
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise InvalidEventError("wrong_type", f"`{name}` is {shown(value)}: expected a string or an integer.")
    size = len(value.encode()) if isinstance(value, str) else (value.bit_length() * 3 // 10) + 1
    if size > ID_BYTES_MAX:
        raise InvalidEventError("too_large", f"`{name}` has {size} bytes: expected at most {ID_BYTES_MAX}.")
    return value


def _ids(name: str, value: Any) -> tuple[str | int, ...]:
    if not isinstance(value, list):
        raise InvalidEventError("wrong_type", f"`{name}` is {shown(value)}: expected a list of item ids.")
    if len(value) > CANDIDATES_MAX:
        raise InvalidEventError("too_large", f"`{name}` has {len(value)} ids: expected at most {CANDIDATES_MAX}.")
    return tuple(_id(f"{name}[{i}]", one) for i, one in enumerate(value))

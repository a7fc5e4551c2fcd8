"""Requests for recommendations: what is read, and the one line that says what is wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgedescent.engine.requests import K_MAX, REQUESTS_MAX, Request, id_of, read_request, split
from edgedescent.errors import InvalidEventError
from edgedescent.formats import REASONS


def read(**fields: Any) -> Request:
    return read_request(json.dumps(fields).encode())


def test_all_fields_are_read() -> None:
    asked = read(
        user=7, k=3, exclude=["tea", 9], among=[], exclude_seen=False, attributes=True, reasons=True, id="page"
    )
    assert asked == Request(7, 3, ("tea", 9), (), False, True, True, "page")
    assert read(user="ann", k=None, among=None) == Request("ann")
    # The longest id.
    assert read(user="ü" * 256).user == "ü" * 256


@pytest.mark.parametrize(
    ("fields", "reason", "line"),
    [
        ({}, "missing_field", "`user` is missing: expected the id of a user."),
        ({"user": 1.5}, "wrong_type", "`user` is 1.5: expected a string or an integer."),
        ({"user": True}, "wrong_type", "`user` is true: expected a string or an integer."),
        ({"user": "u" * 513}, "too_large", "`user` has 513 bytes: expected at most 512."),
        ({"user": "a", "k": 0}, "out_of_range", "`k` is 0: expected an integer from 1 to 1000."),
        ({"user": "a", "k": -3}, "out_of_range", "`k` is -3: expected an integer from 1 to 1000."),
        ({"user": "a", "k": 1001}, "out_of_range", "`k` is 1001: expected an integer from 1 to 1000."),
        ({"user": "a", "k": "5"}, "wrong_type", "`k` is '5': expected an integer from 1 to 1000."),
        ({"user": "a", "k": True}, "wrong_type", "`k` is true: expected an integer from 1 to 1000."),
        ({"user": "a", "exclude": "tea"}, "wrong_type", "`exclude` is 'tea': expected a list of item ids."),
        ({"user": "a", "among": {"tea": 1}}, "wrong_type", "`among` is {'tea': 1}: expected a list of item ids."),
        ({"user": "a", "exclude": ["b", "i" * 513]}, "too_large", "`exclude[1]` has 513 bytes: expected at most 512."),
        ({"user": "a", "exclude": [None]}, "wrong_type", "`exclude[0]` is None: expected a string or an integer."),
        ({"user": "a", "among": ["b"] * 10_001}, "too_large", "`among` has 10001 ids: expected at most 10000."),
        ({"user": "a", "exclude_seen": 1}, "wrong_type", "`exclude_seen` is 1: expected true or false."),
        ({"user": "a", "attributes": "all"}, "wrong_type", "`attributes` is 'all': expected true or false."),
        ({"user": "a", "id": []}, "wrong_type", "`id` is []: expected a string or an integer."),
        (
            {"user": "a", "exlude": []},
            "wrong_type",
            (
                "`exlude` is not a field of a request: expected one of user, k, exclude, among, exclude_seen, "
                "attributes, reasons, id. Did you mean `exclude`?"
            ),
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line(fields: dict[str, Any], reason: str, line: str) -> None:
    with pytest.raises(InvalidEventError) as caught:
        read(**fields)
    assert (caught.value.reason, str(caught.value)) == (reason, line)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "malformed"),
        (b'{"user": "a"', "malformed"),
        (b'{"user": "\\ud800"}', "malformed"),
        (b'{"user": "\xff"}', "malformed"),
        (b"3", "wrong_type"),
        (b'{"user": "a", "exclude": ' + b"[" * 5000 + b"]" * 5000 + b"}", "too_deep"),
    ],
)
def test_what_is_no_request_is_refused(payload: bytes, reason: str) -> None:
    with pytest.raises(InvalidEventError) as caught:
        read_request(payload)
    assert caught.value.reason == reason
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300
    assert id_of(payload) is None


def test_messages_are_split_within_bounds() -> None:
    assert split(b' [{"user": "a"}, 3, []]', 100) == ([b'{"user": "a"}', b"3", b"[]"], True)
    assert split(b"[]", 100) == ([], True)
    for payload, reason in (
        (b"[" + b"1," * REQUESTS_MAX + b"1]", "too_many_events"),
        (bytes(1001), "too_large"),
        (b"[1, ", "malformed"),
        (b"[" * 5000, "malformed"),
    ):
        with pytest.raises(InvalidEventError) as caught:
            split(payload, 1000 if len(payload) < 5000 else 5000)
        assert caught.value.reason in (reason, "too_deep"), payload[:20]


def error_of(payload: bytes) -> InvalidEventError | None:
    """Read all requests of a message; the error of the first that cannot be used."""
    try:
        requests, _ = split(payload, 1000)
        for request in requests:
            assert 1 <= (read_request(request).k or 1) <= K_MAX
    except InvalidEventError as error:
        return error
    return None


@given(st.one_of(st.binary(max_size=60), st.text(max_size=60).map(str.encode)))
def test_any_bytes_are_read_or_refused(payload: bytes) -> None:
    for part in (payload, b'{"user":' + payload + b"}", b'{"user":1,"id":' + payload + b"}"):
        error = error_of(part)
        assert error is None or (error.reason in REASONS and "\n" not in str(error))
        id_of(part)

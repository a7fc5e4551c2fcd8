"""Contract checks for payload formats, one function each; FORMAT_CHECKS at the end lists them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from edgedescent.engine.core import Engine
from edgedescent.engine.messages import Message
from edgedescent.formats import REASONS, Event, FeatureEvent, Format, Rejected
from edgedescent.learners import LinearRegressor
from edgedescent.testing.support import frozen, require

EVENTS: tuple[Event, ...] = (
    FeatureEvent({"temp": 20.5, "load": -3.0}, 3.25, "a"),
    FeatureEvent({"temp": 1e-7}, 0.0, "b"),
    FeatureEvent({"load": 12345.678, "temp": 0.0, "flow": 1e9}, -1e6, "c"),
)
"""Events that every format can represent: numbers with short ASCII names, a target and an id."""


def check_format(payload_format: type[Format]) -> None:
    """Run all of FORMAT_CHECKS on a payload format of features.

    Raises:
        AssertionError: If a check fails; the message describes the violation.

    >>> from edgedescent.formats import JsonFormat
    >>> check_format(JsonFormat)
    """
    for check in FORMAT_CHECKS:
        check(payload_format)


def check_what_it_encodes_is_decoded(payload_format: type[Format]) -> None:
    """Check that encoding and decoding an event preserves its features, target and id."""
    for event in EVENTS:
        events, rejected = _read(_made(payload_format), _made(payload_format).encode(event))
        require(payload_format, events == [(0, event)], f"of {event} it makes {events or rejected}")


def check_no_bytes_raise(payload_format: type[Format]) -> None:
    """Check that no payload raises: its events are decoded, or rejected with one of the known reasons."""
    for payload in _damaged(payload_format):
        try:
            events, rejected = _read(_made(payload_format), payload)
        except Exception as error:
            raise AssertionError(f"{payload_format!r}: on {payload!r:.80} it raises {error!r}.") from error
        for _, reason in rejected:
            require(payload_format, reason in REASONS, f"it rejects {payload!r:.80} as {reason!r}")
        places = [place for place, _ in (*events, *rejected)]
        require(payload_format, len(set(places)) == len(places), f"two events of {payload!r:.80} have one place")


def check_the_same_bytes_are_the_same_events(payload_format: type[Format]) -> None:
    """Check that the decoded events of a message do not depend on earlier messages."""
    used = _made(payload_format)
    for payload in _damaged(payload_format):
        found, alone = _read(used, payload), _read(_made(payload_format), payload)
        require(payload_format, found == alone, f"{payload!r:.80} is {found} after other messages, {alone} alone")


def check_a_long_payload_is_rejected(payload_format: type[Format]) -> None:
    """Check that a message longer than `payload_bytes_max` is rejected as a whole, with reason ``too_large``."""
    payload = _made(payload_format).encode(EVENTS[0])
    for bytes_max, taken in ((len(payload), True), (len(payload) - 1, False)):
        events, rejected = _read(_made(payload_format, bytes_max), payload)
        expected = ([(0, EVENTS[0])], []) if taken else ([], [(0, "too_large")])
        require(payload_format, (events, rejected) == expected, f"with a bound of {bytes_max} it makes {events}")


def check_the_reader_agrees(payload_format: type[Format]) -> None:
    """Check that a compiled reader gives the same answers, dead letters and state as decoded events."""

    class Decoded(payload_format):  # type: ignore[misc, valid-type]
        def reader(self) -> None:
            return None

    engines = (
        Engine(LinearRegressor(), payload_format=payload_format),
        Engine(LinearRegressor(), payload_format=Decoded),
    )
    format_ = _made(payload_format)
    known = [format_.encode(event) for event in EVENTS]
    for position, payload in enumerate([*known, *_damaged(payload_format), *known], start=1):
        message = Message(position, 0.0, "events", payload)
        one, other = (engine.handle(message) for engine in engines)
        require(payload_format, one == other, f"its reader makes {one} of {payload!r:.80}, and decoding {other}")
    states = [frozen(engine.learner.state_dict()) for engine in engines]
    require(payload_format, states[0] == states[1], "its reader leads to another state than decoding")


def _made(payload_format: type[Format], payload_bytes_max: int = 100_000) -> Format:
    return payload_format("features", payload_bytes_max=payload_bytes_max, events_per_message_max=100)


def _read(format_: Format, payload: bytes) -> tuple[list[tuple[int, Event]], list[tuple[int, str]]]:
    """Return the events of a message, and the places and reasons of the rejected ones."""
    pieces = list(format_.read(payload))
    rejected: list[Rejected] = [fault for piece in pieces for fault in piece.rejected]
    return [pair for piece in pieces for pair in piece.events], [(r.place, r.error.reason) for r in rejected]


def _damaged(payload_format: type[Format]) -> Iterator[bytes]:
    """Yield randomly damaged messages, the same in every run."""
    rng = random.Random(1)  # noqa: S311 - a repeatable stream, not a secret
    for event in EVENTS:
        whole = _made(payload_format).encode(event)
        yield from (whole[:end] for end in range(len(whole)))
        for _ in range(200):
            at = rng.randrange(len(whole))
            yield whole[:at] + rng.randbytes(rng.randrange(3)) + whole[at + rng.randrange(3) :]
    yield from (rng.randbytes(rng.randrange(60)) for _ in range(200))


FORMAT_CHECKS: tuple[Callable[[type[Format]], None], ...] = (
    check_what_it_encodes_is_decoded,
    check_no_bytes_raise,
    check_the_same_bytes_are_the_same_events,
    check_a_long_payload_is_rejected,
    check_the_reader_agrees,
)

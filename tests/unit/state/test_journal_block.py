"""Blocks of the journal: whatever the messages, they come back as they were, in little room."""

from __future__ import annotations

import json
import random
import sys

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgedescent.engine.messages import Message
from edgedescent.state import journal_block

payloads = st.one_of(
    st.binary(max_size=200),
    st.text(alphabet='0123456789{}[]":,.-\n ', max_size=200).map(str.encode),
    st.floats().map(lambda value: b"%r" % value),
)
messages = st.builds(
    Message,
    position=st.just(0),
    received_at=st.floats(allow_nan=False),
    topic=st.text(max_size=20),
    payload=payloads,
    packet_id=st.integers(0, 65_535),
    duplicate=st.booleans(),
    subscriptions=st.lists(st.integers(1, 2**28), max_size=2).map(tuple),
    response_topic=st.text(max_size=10),
    correlation=st.binary(max_size=10),
)


def back(sent: list[Message], *, hurry: bool = False) -> list[Message]:
    data = journal_block.pack(sent, hurry=hurry)
    first, last = sent[0].position, sent[-1].position
    return journal_block.unpack(first, last, journal_block.checksum(first, last, data), data)


@given(st.lists(messages, min_size=1, max_size=20), st.integers(1, 10**12), st.booleans())
def test_any_messages_come_back_as_they_were(drawn: list[Message], first: int, hurry: bool) -> None:
    sent = [msgspec.structs.replace(message, position=first + i) for i, message in enumerate(drawn)]
    assert back(sent, hurry=hurry) == sent


def test_a_large_block_comes_back_as_it_was() -> None:
    rng = random.Random(1)
    sent = [Message(i, 1e9 + i, "t", rng.randbytes(20_000), i) for i in range(1, 30)]
    assert back(sent) == sent


def readings(count: int) -> list[Message]:
    """Ten sensors of five digits each, as they come 500 times a second."""
    rng = random.Random(1)
    made = []
    for i in range(1, count + 1):
        x = {f"sensor_{n}": float(f"{rng.gauss(0, 10):.5g}") for n in range(10)}
        event = {"id": f"event-{i}", "x": x, "y": float(f"{rng.gauss(0, 10):.5g}")}
        payload = json.dumps(event, separators=(",", ":")).encode()
        made.append(Message(i, 1_700_000_000.0 + i * 2 / 1024, "edgedescent/pump/events", payload, i))
    return made


@pytest.mark.parametrize(("hurry", "most"), [(False, 40.0), (True, 45.0)])
def test_readings_take_little_more_room_than_chance_gives_them(hurry: bool, most: float) -> None:
    sent = readings(500)
    # 11 numbers of five digits and a sign take 11 * log2(2 * 90,000 * 3) / 8 = 26 bytes, whatever is done.
    assert len(journal_block.pack(sent, hurry=hurry)) / len(sent) < most


def test_what_repeats_takes_next_to_nothing() -> None:
    sent = [Message(i, 1e9, "t", b"21.5", i) for i in range(1, 1001)]
    assert len(journal_block.pack(sent)) < 300


def test_a_block_is_not_in_memory_many_times() -> None:
    # What a block takes beside its messages matters: it is what the daemon needs at its most.
    packed = journal_block.pack(readings(5000), hurry=True)
    assert sys.getsizeof(packed) < 5000 * 45

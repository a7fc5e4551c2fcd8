"""Further copies of one message, for overlapping subscriptions, are skipped, whatever happens between them."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgedescent.engine._copy_window import CopyWindow
from edgedescent.engine.messages import Connection, Message
from support.engines import an_engine

SIZE = 16
SAID = b'{"x": {"a": 21.5}, "y": 1}'


def came(*numbers: int | tuple[int, ...], word: int = 7, window: CopyWindow | None = None) -> list[bool]:
    """True for each message of the same content that is a copy, by the subscriptions that they came for."""
    window = window or CopyWindow()
    return [window.note(word, one if isinstance(one, tuple) else (one,) if one else ()) for one in numbers]


@pytest.mark.parametrize(
    ("numbers", "copies"),
    [
        ((1, 2, 3), (False, True, True)),
        # Equal messages one after the other, in whatever order their copies come.
        ((1, 2, 1, 2), (False, True, False, True)),
        ((1, 2, 2, 1), (False, True, False, True)),
        ((1, 1, 1), (False, False, False)),
        ((1, 2, 3, 1, 2, 3), (False, True, True, False, True, True)),
        # A subscription without an identifier is one of its own.
        ((0, 0, 0), (False, False, False)),
        ((0, 1, 0, 1), (False, True, False, True)),
        # One that carries several identifiers has no copies.
        (((1, 2), (1, 2)), (False, False)),
        (((1, 2), 1, 2), (False, False, True)),
    ],
)
def test_a_copy_is_what_came_for_another_subscription(numbers: tuple[int, ...], copies: tuple[bool, ...]) -> None:
    assert came(*numbers) == list(copies)


def test_another_content_is_no_copy() -> None:
    window = CopyWindow()
    assert came(1, word=7, window=window) + came(2, word=8, window=window) == [False, False]
    # Others in between do not matter, while the first is remembered.
    for word in range(100, 100 + SIZE - 2):
        came(1, word=word, window=window)
    assert came(2, word=7, window=window) == [True]
    came(1, word=200, window=window)
    assert came(3, word=7, window=window) == [False]


@dataclass
class Twin:
    """The specification: of the latest messages, number, hash, subscription (None for several), and first copy."""

    latest: list[tuple[int, int, int | None, int]] = field(default_factory=list)
    count: int = 0

    def note(self, word: int, subscriptions: tuple[int, ...]) -> bool:
        number = None if len(subscriptions) > 1 else subscriptions[0] if subscriptions else 0
        first = self.count
        if number is not None and any(one[2] != 0 for one in [*self.latest, (0, 0, number, 0)]):
            for i, _, _, head in reversed([one for one in self.latest if one[1] == word]):
                others = [one[2] for one in self.latest if one[3] == i]
                if head == i and number not in others and None not in others:
                    first = i
                    break
        self.latest = [*self.latest, (self.count, word, number, first)][-SIZE:]
        self.count += 1
        return first != self.count - 1


@given(
    st.lists(st.tuples(st.integers(1, 3), st.lists(st.integers(1, 3), max_size=2).map(tuple)), max_size=80),
    st.integers(0, 80),
)
def test_it_agrees_with_its_specification_also_after_a_restart(
    messages: list[tuple[int, tuple[int, ...]]], saved_after: int
) -> None:
    window, twin = CopyWindow(), Twin()
    for i, (word, subscriptions) in enumerate(messages):
        if i == saved_after:
            restored = CopyWindow()
            restored.restore(window.save())
            assert np.array_equal(restored.save(), window.save())
            window = restored
        assert window.note(word, subscriptions) == twin.note(word, subscriptions)


def test_hashes_of_all_sizes_survive_a_restart() -> None:
    window, restored = CopyWindow(), CopyWindow()
    words = [0, 1, 2**63 - 1, 2**63, 2**64 - 1]
    for word in words:
        came(1, word=word, window=window)
    restored.restore(window.save())
    assert [came(2, word=word, window=restored) for word in words] == [[True]] * 5


def test_a_damaged_state_is_refused() -> None:
    for shape in ((3,), (2, 4), (3, SIZE + 1)):
        with pytest.raises(ValueError, match="are not the latest messages"):
            CopyWindow().restore(np.zeros(shape, np.int64))


# --- In the engine ----------------------------------------------------------------------------------------------------


def message(position: int, number: int, *, packet_id: int = 0, again: bool = False, session: int = 0) -> Message:
    over = Connection(session) if session else None
    return Message(position, 1.0, "p/e", SAID, packet_id, again, over, (number,))


@pytest.mark.parametrize("qos", [0, 1])
def test_a_copy_is_neither_learned_nor_answered(qos: int) -> None:
    engine = an_engine()
    effects = [engine.handle(message(i, 1 + i % 2, packet_id=i * qos)) for i in range(1, 7)]
    assert [bool(one) for one in effects] == [True, False] * 3
    counters = engine.counters
    assert (counters["events_learned"], counters["messages_copied"], counters["messages"]) == (3, 3, 6)
    assert engine.metrics()["messages_copied"] == 3


def test_a_copy_that_comes_after_a_crash_is_recognized() -> None:
    before, after = an_engine(), an_engine()
    before.handle(message(1, 1, packet_id=1, session=1))
    after.load_state_dict(before.state_dict())
    # Over the next connection, whether the broker says that it has sent it before or not.
    assert after.handle(message(2, 2, packet_id=2, again=True, session=1)) == []
    assert after.handle(message(3, 2, packet_id=2, again=True, session=1)) == []
    assert after.counters["events_learned"] == 1
    assert (after.counters["messages_copied"], after.counters["messages_redelivered"]) == (1, 1)


def test_in_a_new_session_there_are_no_copies_of_the_old_one() -> None:
    engine = an_engine()
    for i, session in enumerate((1, 2), start=1):
        assert engine.handle(message(i, i, packet_id=i, session=session))
    assert engine.counters["events_learned"] == 2


def test_another_window_of_redeliveries_keeps_it() -> None:
    engine = an_engine()
    engine.handle(message(1, 1, packet_id=1))
    settings = {
        "payload_format": type(engine.format),
        "dedup_window": 65_536,
        "id_scope": "topic",
        "reused_ids": "learn",
        "redelivery_window": 9,
        "payload_bytes_max": 1000,
        "events_per_message_max": 10,
        "quarantine": True,
    }
    engine.configure(**settings)  # type: ignore[arg-type]
    assert engine.handle(message(2, 2, packet_id=2)) == []


def test_a_message_without_identifiers_is_no_copy() -> None:
    engine = an_engine()
    for before, after in pairwise(range(5)):
        engine.handle(Message(after, 1.0, "p/e", SAID, after))
        assert engine.counters["events_learned"] == before + 1

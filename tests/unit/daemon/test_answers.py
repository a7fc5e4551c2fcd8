"""Answers go out in order; without a connection a bounded part of them waits."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from edgedescent.daemon.answers import BATCH_BYTES, OVERHEAD_BYTES, Answers, Destination

TO = Destination("predictions")


class Outlet:
    """Publisher that accepts a given number of answers."""

    def __init__(self, room: int = 1000) -> None:
        self.room = room
        self.sent: list[bytes] = []
        self.destinations: list[Destination] = []
        """One for each call."""

    def __call__(self, payloads: Sequence[bytes], to: Destination) -> int:
        taken = payloads[: max(self.room - len(self.sent), 0)]
        self.sent += taken
        self.destinations.append(to)
        return len(taken)


def test_answers_go_out_together() -> None:
    outlet = Outlet()
    answers = Answers(outlet, 10_000)
    answers.send(1, b"1", TO)
    answers.send(2, b"2", TO)
    assert (outlet.sent, len(answers), answers.first_waiting) == ([], 2, 1)
    answers.flush()
    answers.flush()
    assert (outlet.sent, outlet.destinations) == ([b"1", b"2"], [TO])
    assert (len(answers), answers.first_waiting) == (0, None)


def test_a_batch_ends_at_its_bound_and_at_another_destination() -> None:
    outlet = Outlet()
    answers = Answers(outlet, 10_000)
    answers.send(1, bytes(BATCH_BYTES), TO)
    assert outlet.destinations == [TO]
    answers.send(2, b"2", TO)
    answers.send(3, b"3", Destination("page"))
    answers.send(4, b"4", Destination("page"))
    answers.flush()
    assert outlet.sent == [bytes(BATCH_BYTES), b"2", b"3", b"4"]
    assert outlet.destinations == [TO, TO, Destination("page")]


def test_what_is_left_of_a_batch_waits() -> None:
    outlet = Outlet(room=2)
    answers = Answers(outlet, 10_000)
    for position in range(1, 5):
        answers.send(position, b"%d" % position, TO)
    answers.flush()
    assert (outlet.sent, answers.first_waiting, len(answers)) == ([b"1", b"2"], 3, 2)
    answers.send(5, b"5", TO)
    outlet.room = 10
    answers.flush()
    assert outlet.sent == [b"1", b"2"]
    answers.send_waiting(0)
    assert outlet.sent == [b"1", b"2", b"3", b"4", b"5"]


def test_they_stay_in_order_when_some_had_to_wait() -> None:
    outlet = Outlet()
    answers = Answers(outlet, 10_000)
    outlet.room = 0
    answers.send(1, b"1", TO)
    answers.flush()
    outlet.room = 10
    # The connection is back, but what waits comes first.
    answers.send(2, b"2", TO)
    assert (outlet.sent, answers.first_waiting) == ([], 1)
    answers.send_waiting(0)
    assert outlet.sent == [b"1", b"2"]
    answers.send(3, b"3", TO)
    answers.flush()
    assert outlet.sent == [b"1", b"2", b"3"]
    assert answers.dropped == 0


def test_what_cannot_be_sent_on_the_way_goes_on_waiting() -> None:
    outlet = Outlet(room=2)
    answers = Answers(outlet, 10_000)
    for position in range(1, 5):
        answers.keep(position, b"%d" % position, TO)
    answers.send_waiting(0)
    assert (outlet.sent, answers.first_waiting, len(answers)) == ([b"1", b"2"], 3, 2)


def test_the_oldest_make_room_and_are_counted() -> None:
    answers = Answers(lambda _payloads, _to: 0, 3 * (OVERHEAD_BYTES + 10))
    for position in range(1, 101):
        answers.send(position, bytes(10), TO)
    answers.flush()
    assert (len(answers), answers.first_waiting, answers.dropped) == (3, 98, 97)
    # One that is larger than the bound makes room for nobody.
    answers.send(101, bytes(10_000), TO)
    assert (len(answers), answers.first_waiting, answers.dropped) == (0, None, 101)


@pytest.mark.parametrize("waits", [False, True])
def test_what_is_too_large_is_split_and_a_single_one_counted(*, waits: bool) -> None:
    outlet = Outlet()
    answers = Answers(outlet, 10_000)
    outlet.room = 0 if waits else 1000
    array = json.dumps([{"prediction": i} for i in range(100)], separators=(",", ":")).encode()
    if waits:
        # It was taken in when the broker took more.
        answers.send(1, array, TO)
        answers.send(2, b'{"prediction":123456789.0123456789}', TO)
        answers.send(3, array[:17] + b"]", TO)
        answers.flush()
        outlet.room = 1000
        answers.payload_bytes_max = 30
        answers.send_waiting(0)
    else:
        answers.payload_bytes_max = 30
        answers.send(1, array, TO)
        answers.send(2, b'{"prediction":123456789.0123456789}', TO)
        answers.send(3, array[:17] + b"]", TO)
        answers.flush()
    assert max(map(len, outlet.sent)) <= 30
    assert [one["prediction"] for part in outlet.sent for one in json.loads(part)] == [*range(100), 0]
    assert (answers.split, answers.too_large, answers.dropped, len(answers)) == (1, 1, 0, 0)
    answers.send(4, b'[{"prediction":1},{"prediction":12345678901234567890}]', TO)
    answers.flush()
    assert outlet.sent[-1] == b'[{"prediction":1}]'
    assert answers.too_large == 2


def test_parts_that_cannot_be_sent_wait_in_order() -> None:
    outlet = Outlet(room=3)
    answers = Answers(outlet, 10_000)
    answers.payload_bytes_max = 5
    answers.send(1, b"[1,2,3,4,5,6,7,8]", TO)
    answers.send(2, b"[9]", TO)
    answers.flush()
    assert (outlet.sent, answers.first_waiting, len(answers)) == ([b"[1,2]", b"[3,4]", b"[5,6]"], 1, 2)
    outlet.sent.clear()
    answers.send_waiting(0)
    assert outlet.sent == [b"[7,8]", b"[9]"]
    assert answers._bytes == 0


def test_what_is_held_waits_for_the_acknowledgement() -> None:
    outlet = Outlet()
    answers = Answers(outlet, 10_000)
    answers.send(1, b"1", TO)
    answers.send(2, b"2", TO, held=True)
    answers.send(3, b"3", TO)
    answers.send_waiting(1)
    assert (outlet.sent, answers.first_waiting) == ([b"1"], 2)
    answers.send_waiting(2)
    assert outlet.sent == [b"1", b"2", b"3"]


def test_each_goes_to_its_own_destination_and_correlation_data_take_room() -> None:
    outlet = Outlet(room=0)
    answers = Answers(outlet, 3 * (OVERHEAD_BYTES + 100))
    for number in range(4):
        answers.send(number, bytes(50), Destination(f"page/{number}", correlation=bytes(50)))
    answers.flush()
    assert (len(answers), answers.dropped) == (3, 1)
    outlet.room = 1000
    outlet.destinations.clear()
    answers.send_waiting(0)
    assert [to.topic for to in outlet.destinations] == ["page/1", "page/2", "page/3"]
    assert answers._bytes == 0

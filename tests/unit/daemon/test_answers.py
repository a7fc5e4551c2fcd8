"""Answers go out in order; without a connection a bounded part of them waits."""

from __future__ import annotations

from edgedescent.daemon.answers import OVERHEAD_BYTES, Answers


class Outlet:
    """Publisher that accepts a given number of answers."""

    def __init__(self) -> None:
        self.open = True
        self.sent: list[bytes] = []

    def __call__(self, payload: bytes) -> bool:
        if self.open:
            self.sent.append(payload)
        return self.open


def test_answers_go_out_at_once() -> None:
    outlet = Outlet()
    answers = Answers(outlet, 10_000)
    answers.send(1, b"1")
    answers.send(2, b"2")
    assert outlet.sent == [b"1", b"2"]
    assert (len(answers), answers.first_waiting) == (0, None)


def test_they_stay_in_order_when_some_had_to_wait() -> None:
    outlet = Outlet()
    answers = Answers(outlet, 10_000)
    outlet.open = False
    answers.send(1, b"1")
    outlet.open = True
    # The connection is back, but what waits comes first.
    answers.send(2, b"2")
    assert (outlet.sent, answers.first_waiting) == ([], 1)
    answers.send_waiting()
    assert outlet.sent == [b"1", b"2"]
    answers.send(3, b"3")
    assert outlet.sent == [b"1", b"2", b"3"]
    assert answers.dropped == 0


def test_what_cannot_be_sent_on_the_way_goes_on_waiting() -> None:
    sent: list[bytes] = []

    def two_at_most(payload: bytes) -> bool:
        if len(sent) < 2:
            sent.append(payload)
            return True
        return False

    answers = Answers(two_at_most, 10_000)
    for position in range(1, 5):
        answers.keep(position, b"%d" % position)
    answers.send_waiting()
    assert (sent, answers.first_waiting, len(answers)) == ([b"1", b"2"], 3, 2)


def test_the_oldest_make_room_and_are_counted() -> None:
    answers = Answers(lambda _: False, 3 * (OVERHEAD_BYTES + 10))
    for position in range(1, 101):
        answers.send(position, bytes(10))
    assert (len(answers), answers.first_waiting, answers.dropped) == (3, 98, 97)
    # One that is larger than the bound makes room for nobody.
    answers.send(101, bytes(10_000))
    assert (len(answers), answers.first_waiting, answers.dropped) == (0, None, 101)

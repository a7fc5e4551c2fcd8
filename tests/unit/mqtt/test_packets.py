"""The packets that go past paho: any of them, cut anywhere, and bytes that are none."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edgedescent.interfaces import Delivery
from edgedescent_mqtt._packet_reader import take_events
from edgedescent_mqtt.packet_socket import PacketSocket
from edgedescent_mqtt.packets import Publication, acknowledgements, variable_length

PINGRESP, PUBACK = b"\xd0\x00", b"\x40\x02\x00\x07"
ALL = {"count_max": 1_000_000, "bytes_max": 1 << 40}


def encoded(length: int) -> bytes:
    """A length as the standard writes it (1.5.5)."""
    found = b""
    while True:
        length, low = divmod(length, 128)
        found += bytes([low | (128 if length else 0)])
        if not length:
            return found


def properties(note: str) -> bytes:
    """Properties as paho writes them, as long as the note makes them."""
    made = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    made.ContentType = "application/json"
    made.UserProperty = [("note", note)]
    packed: bytes = made.pack()  # type: ignore[no-untyped-call]
    return packed


def packet(delivery: Delivery, *, retain: bool = False, extra: bytes = b"") -> bytes:
    """A delivery as it was sent; `extra` are the properties of MQTT 5."""
    name = delivery.topic.encode()
    body = len(name).to_bytes(2, "big") + name
    if delivery.qos:
        body += delivery.packet_id.to_bytes(2, "big")
    body += extra + delivery.payload
    return bytes([0x30 | delivery.duplicate << 3 | delivery.qos << 1 | retain]) + encoded(len(body)) + body


@st.composite
def deliveries(draw: st.DrawFn) -> Delivery:
    """Events as a broker may send them; their lengths around where the length takes a further byte."""
    qos = draw(st.integers(0, 1))
    size = draw(st.one_of(st.integers(0, 300), st.integers(16_350, 16_400)))
    topic = draw(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30))
    packet_id = draw(st.integers(1, 65_535)) if qos else 0
    return Delivery(
        topic, draw(st.binary(max_size=5)) + bytes(size), packet_id, qos, bool(qos) and draw(st.booleans()), 3
    )


@given(st.lists(st.tuples(deliveries(), st.booleans()), max_size=8), st.booleans(), st.integers(0, 400))
def test_events_are_taken_as_they_were_sent(sent: list[tuple[Delivery, bool]], five: bool, note: int) -> None:
    extra = (properties("n" * note) if note % 2 else b"\0") if five else b""
    data = b"??" + b"".join(packet(delivery, retain=retain, extra=extra) for delivery, retain in sent)
    events, end = take_events(data, 2, 3, five=five, **ALL)
    assert events == [delivery for delivery, _ in sent]
    assert end == len(data)
    # Without its last byte, the last event is not there yet.
    events, end = take_events(data[:-1], 2, 3, five=five, **ALL)
    assert events == [delivery for delivery, _ in sent[:-1]]


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60), st.binary(max_size=300))
def test_response_topic_and_correlation_data_are_taken(topic: str, correlation: bytes) -> None:
    made = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    made.ContentType = "application/json"
    made.ResponseTopic = topic
    made.CorrelationData = correlation
    made.UserProperty = [("a", "b")]
    event = Delivery("t", b"1", 5, 1)
    extra: bytes = made.pack()  # type: ignore[no-untyped-call]
    data = packet(event, extra=extra)
    wanted = Delivery("t", b"1", 5, 1, response_topic=topic, correlation=correlation)
    assert take_events(data + data, 0, 0, five=True, **ALL) == ([wanted, wanted], 2 * len(data))
    # Properties that end within one of them.
    found = variable_length(extra, 0)
    assert found is not None
    short = encoded(found[0] - 3) + extra[found[1] : -3]
    with pytest.raises(ValueError, match="malformed property"):
        take_events(packet(event, extra=short), 0, 0, five=True, **ALL)


@given(st.binary(max_size=20_000))
def test_an_answer_carries_the_correlation_data(correlation: bytes) -> None:
    sent = Publication("page/7", five=True, correlation=correlation).packets([b"{}"])
    wanted = Delivery("page/7", b"{}", correlation=correlation)
    assert take_events(sent, 0, 0, five=True, **ALL) == ([wanted], len(sent))
    # 3.1.1 has none.
    plain = Publication("page/7", five=False, correlation=correlation).packets([b"{}"])
    assert plain == Publication("page/7", five=False).packets([b"{}"])


@pytest.mark.parametrize("other", [PINGRESP, PUBACK, b"\x34\x06\x00\x01t\x00\x07x", b"\x36\x06\x00\x01t\x00\x07x"])
def test_what_is_no_event_is_left_alone(other: bytes) -> None:
    event = packet(Delivery("t", b"1", 1, 1))
    events, end = take_events(event + other + event, 0, 0, five=False, **ALL)
    assert [e.payload for e in events] == [b"1"]
    assert end == len(event)


def test_no_more_is_taken_than_there_is_room_for() -> None:
    one = packet(Delivery("t", bytes(100), 1, 1))
    assert take_events(one * 9, 0, 0, five=False, count_max=4, bytes_max=10_000)[1] == 4 * len(one)
    assert take_events(one * 9, 0, 0, five=False, count_max=0, bytes_max=10_000)[1] == 0
    assert take_events(one * 9, 0, 0, five=False, count_max=9, bytes_max=250)[1] == 3 * len(one)


@pytest.mark.parametrize(
    ("data", "five"),
    [
        (b"\x30\x03\x00\x09t", False),  # the topic is longer than the packet
        (b"\x32\x04\x00\x01t\x00", False),  # there is no room for the packet id
        (b"\x30\x04\x00\x01t\x09", True),  # the properties are longer than the packet
        (b"\x30\x05\x00\x01t\x80\x80", True),  # their length has no end
        (b"\x30\xff\xff\xff\xff\x01" + bytes(9), False),  # the packet's length has five bytes
    ],
)
@pytest.mark.parametrize("behind", [b"", bytes(300)])
def test_malformed_events_are_refused(data: bytes, five: bool, behind: bytes) -> None:
    with pytest.raises((ValueError, IndexError)):
        take_events(data + behind, 0, 0, five=five, **ALL)


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_taken_or_refused(data: bytes, five: bool) -> None:
    try:
        events, end = take_events(b"\x30" + data, 0, 0, five=five, **ALL)
    except (ValueError, IndexError):
        return
    assert 0 <= end <= len(data) + 1
    assert sum(len(event.payload) for event in events) <= end


@pytest.mark.parametrize("size", [0, 1, 120, 123, 124, 16_376, 16_381, 2_097_000, 2_097_200])
@pytest.mark.parametrize("five", [True, False])
def test_what_we_publish_can_be_taken(size: int, five: bool) -> None:
    payload = b"\xfe" * size
    sent = Publication("ü/t", five=five).packets([payload])
    assert sent == packet(Delivery("ü/t", payload), extra=b"\0" if five else b"")
    assert take_events(sent, 0, 0, five=five, **ALL) == ([Delivery("ü/t", payload)], len(sent))


def test_a_message_that_mqtt_cannot_carry_is_refused() -> None:
    # Never read, so that it takes no memory.
    with pytest.raises(ValueError, match="too long for MQTT"):
        Publication("t", five=True).packets([b"1", bytes(1 << 28)])


@given(st.lists(st.binary(max_size=300), max_size=20), st.booleans())
def test_messages_of_one_topic_are_written_together(payloads: list[bytes], five: bool) -> None:
    publication = Publication("t", five=five)
    assert publication.packets(payloads) == b"".join(publication.packets([payload]) for payload in payloads)


def test_no_acknowledgement_is_no_bytes() -> None:
    assert acknowledgements([]) == b""


@pytest.mark.parametrize("value", [0, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152, 268_435_455])
def test_lengths_are_read_as_they_are_written(value: int) -> None:
    data = b"?" + encoded(value)
    assert variable_length(data + b"\xff", 1) == (value, len(data))
    assert variable_length(data[:-1], 1) is None


# --- The socket -------------------------------------------------------------------------------------------------------

Ends = tuple[PacketSocket, socket.socket]


@pytest.fixture
def ends() -> Iterator[Ends]:
    """A packet socket and its other side."""
    yield from make_ends()


def make_ends() -> Iterator[Ends]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        yield PacketSocket(ours), theirs


def turn(sock: PacketSocket) -> list[bytes | Delivery]:
    """What one read brings, in order: events, and the packets that paho gets, which it reads byte by byte at first."""
    found: list[bytes | Delivery] = []
    sock.read()
    while True:
        found += sock.take_events(0, five=False, **ALL)
        if not sock.grant():
            return found
        whole = b""
        try:
            while byte := sock.recv(1 if len(whole) < 2 else 1 << 20):
                whole += byte
        except BlockingIOError:
            found.append(whole)
        else:
            return [*found, b"end"]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.one_of(deliveries(), st.sampled_from([PINGRESP, PUBACK])), max_size=12),
    st.lists(st.integers(1, 40_000), max_size=30),
)
def test_a_stream_cut_anywhere_is_the_same_stream(sent: list[bytes | Delivery], sizes: list[int]) -> None:
    data = b"".join(item if isinstance(item, bytes) else packet(item) for item in sent)
    found: list[bytes | Delivery] = []
    for sock, other in make_ends():
        for size in [*sizes, len(data)]:
            other.sendall(data[:size])
            data = data[size:]
            while sock.wait(0):
                found += turn(sock)
        other.close()
        found += turn(sock)
    assert [
        Delivery(item.topic, item.payload, item.packet_id, item.qos, item.duplicate, 3)
        if isinstance(item, Delivery)
        else item
        for item in found
    ] == [*sent, b"end"]


def test_the_beginning_of_a_packet_is_nothing_to_read(ends: Ends) -> None:
    sock, other = ends
    other.sendall(packet(Delivery("t", bytes(500), 1, 1))[:300])
    assert sock.wait(10)
    assert turn(sock) == []
    assert not sock.wait(0)
    assert sock.pending() == 0


def test_a_stream_that_ends_within_a_packet_ends(ends: Ends) -> None:
    sock, other = ends
    other.sendall(PUBACK + packet(Delivery("t", bytes(500), 1, 1))[:300])
    other.close()
    assert turn(sock) == [PUBACK]
    assert turn(sock) == [b"end"]


def test_paho_gets_no_more_than_its_packet(ends: Ends) -> None:
    sock, other = ends
    other.sendall(PUBACK + PINGRESP)
    sock.read()
    with pytest.raises(BlockingIOError):
        sock.recv(10)
    assert sock.grant()
    assert sock.recv(100) == PUBACK
    with pytest.raises(BlockingIOError):
        sock.recv(1)
    assert sock.grant()
    assert sock.recv(100) == PINGRESP
    assert not sock.grant()


def test_a_packet_without_a_length_is_refused(ends: Ends) -> None:
    sock, other = ends
    other.sendall(b"\x40\xff\xff\xff\xff\xff")
    sock.read()
    with pytest.raises(ValueError, match="malformed length"):
        sock.grant()


def test_a_fault_is_told_to_paho_and_ends_what_was_begun(ends: Ends) -> None:
    sock, other = ends
    other.sendall(PUBACK + b"\x30")
    sock.read()
    assert sock.grant()
    sock.fail(ConnectionError("enough"))
    assert sock.grant()
    with pytest.raises(ConnectionError, match="enough"):
        sock.recv(1)

"""Cursors over events: how the learning loop goes through the events of a message, whatever their format."""
from libc.math cimport NAN
from libc.stdint cimport uint64_t

from edgedescent.features._encoder cimport Encoder
from edgedescent.formats._content_hash cimport event_hash, id_hash_of
from edgedescent.numerics._numbers cimport is_plain, plain_number

from edgedescent.errors import InvalidEventError


cdef class EventCursor:
    """Cursor over events: base of `Piece` and of the compiled readers.

    `next` moves it to the next event. The event at hand is *raw* while it is only bytes, which `encode` reads
    straight into a learner; `event` gives it as an object.

    Attributes:
        is_array: whether the events came as an array, which is answered by an array.
        rejected: events that cannot be used; the learning loop adds those that the learner refuses.
        index: place of the event at hand in its message, from 0.
    """

    def __cinit__(self):
        self.earlier = NAN

    def open(self, bytes message not None):
        """Go to before the first event of a message; False if it is left to the format's `decode`."""
        return False

    cdef void close(self) noexcept:
        """Release the message and memory that few others need."""

    cdef bint next(self) except -1:
        """Move to the next event; False at the end."""
        return False

    cdef uint64_t id_hash(self) except? 0:
        """Hash of the id of the event at hand."""
        return id_hash_of(self.id())

    cdef uint64_t content_hash(self) except? 0:
        """Hash of the content of the event at hand, which has a label.

        Raises:
            InvalidEventError: if it cannot be used.
        """
        return event_hash(self.event(), self.target)

    cdef object id(self):
        """Id of the event at hand; None if it has none."""
        return self.event().id

    cdef object label(self):
        """Target of the event at hand as an object, for its answer; None if it has none."""
        return self.event().y

    cdef bint encode(self, Encoder encoder) except -1:
        """Read the raw event at hand into an encoder; False if it is needed as an object.

        If it has a target, this is one that the learner takes, and the event will be learned.
        """
        return False

    cdef object decode(self):
        """The event at hand as an object, or the InvalidEventError that tells why it cannot be used."""
        raise NotImplementedError

    cdef bytes text(self):
        """Bytes of the event at hand."""
        raise NotImplementedError

    cdef object event(self):
        """The event at hand as an object.

        Raises:
            InvalidEventError: if it cannot be used.
        """
        if self.item is None:
            self.item = self.decode()
        if isinstance(self.item, InvalidEventError):
            raise self.item
        return self.item

    cdef bytes payload(self, bytes message, object format):
        """Bytes that a dead letter keeps of the event at hand.

        Args:
            message: the message that it came in.
            format: payload format of the message.
        """
        if self.item is None:
            self.item = self.decode()
        if isinstance(self.item, InvalidEventError):
            return self.text()
        return format.encode(self.item) if self.is_array else message


cdef class Piece(EventCursor):
    """Decoded events of a message, or of a part of a large one.

    Args:
        events: usable events in order, each in a pair behind its place in the message.
        rejected: `Rejected` events.
        is_array: whether the message holds an array of events.
        earlier: prediction of the event that was made when its label was not there, which is scored instead of a new
            one; NaN for none.
    """

    def __init__(self, list events not None, list rejected not None, bint is_array=False, double earlier=NAN):
        self.earlier = earlier
        self.events = events
        self.rejected = rejected
        self.is_array = is_array

    cdef bint next(self) except -1:
        if self.place == len(self.events):
            return False
        self.index, self.item = self.events[self.place]
        self.place += 1
        self.item_y, self.item_id = self.item.y, self.item.id
        self.has_target = self.item_y is not None
        self.has_id = self.item_id is not None
        # Anything else than a number is refused by the learner.
        self.target = plain_number(self.item_y) if is_plain(self.item_y) else NAN
        return True

    cdef object id(self):
        return self.item_id

    cdef object label(self):
        return self.item_y

"""Messages of plain events, learned without making Python objects of what they hold."""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport uint64_t
from libc.stdlib cimport free, realloc

from edgedescent.learners._feature_learner cimport CompiledFeatureLearner
from edgedescent.formats._json_reader cimport JsonReader, blank, take
from edgedescent.evaluation._prequential cimport Prequential
from edgedescent.numerics._numbers cimport is_sane
from edgedescent.engine._dedup_window cimport DedupWindow
from edgedescent.features._hash cimport siphash

from edgedescent.engine.messages import Prediction

cdef enum:
    # A longer message is left to a decoder, which takes it piece by piece. The fields take up four times its bytes.
    BYTES_MAX = 262_144
    # The room for more events or fields than these is given back.
    EVENTS_KEPT = 1_000
    FIELDS_KEPT = 5_000

# One event of a message: where it stands, where its fields begin, and what else it says.
cdef struct Event:
    const char* start
    const char* end
    const char* id
    Py_ssize_t id_length
    Py_ssize_t first
    Py_ssize_t n
    double target


cdef class FastPath:
    """Reads the events of a message, and learns them up to one that needs a closer look.

    It takes only messages whose events are all plain, as `JsonReader` has it: of what it takes, a decoder reads the
    same, and `predict_learn_one` learns the same.

    Args:
        kernel: what learns.
        seen: the ids of what was learned.
        bytes_max: longer messages are left to a decoder.
        events_max: likewise those of more events.

    Attributes:
        n_learned: how many events the last call of `learn` learned.
        n_repeats: how many it left alone because of their ids.
        n_redelivered: how many it left alone because they have none, and their message came again.
    """

    cdef CompiledFeatureLearner kernel
    cdef DedupWindow seen
    cdef JsonReader reader
    cdef Py_ssize_t bytes_max
    cdef Py_ssize_t events_max
    cdef bytes message
    cdef Event* events
    cdef Py_ssize_t room
    cdef Py_ssize_t n
    cdef Py_ssize_t place
    cdef readonly bint is_array
    cdef readonly Py_ssize_t n_learned
    cdef readonly Py_ssize_t n_repeats
    cdef readonly Py_ssize_t n_redelivered

    def __init__(self, CompiledFeatureLearner kernel, DedupWindow seen, Py_ssize_t bytes_max, Py_ssize_t events_max):
        self.kernel = kernel
        self.seen = seen
        self.bytes_max = min(bytes_max, BYTES_MAX)
        self.events_max = events_max
        self.reader = JsonReader()

    def __dealloc__(self):
        free(self.events)

    cpdef bint read(self, bytes message) except -1:
        """Read a message; False where it is left to a decoder."""
        cdef const char* at = PyBytes_AS_STRING(message)
        cdef const char* end = at + PyBytes_GET_SIZE(message)
        self.n = self.place = self.reader.first = 0
        if PyBytes_GET_SIZE(message) > self.bytes_max:
            return False
        # What was read points into it.
        self.message = message
        at = blank(at, end)
        self.is_array = at < end and at[0] == b"["
        at = self._read_array(at, end) if self.is_array else self._read_event(at, end)
        if at == NULL or blank(at, end) != end:
            self._forget()
            return False
        return True

    cdef void _forget(self) noexcept:
        """Let go of the message, and of the room that few others need."""
        self.message = None
        self.n = self.place = 0
        if self.room > EVENTS_KEPT:
            free(self.events)
            self.events = NULL
            self.room = 0
        if self.reader.room > FIELDS_KEPT:
            self.reader.give_back()

    cdef const char* _read_array(self, const char* at, const char* end) except? NULL:
        while self.n < self.events_max:
            at = self._read_event(at + 1, end)
            if at == NULL:
                return NULL
            at = blank(at, end)
            if at == end or at[0] != b",":
                return at + 1 if at < end and at[0] == b"]" else NULL
        return NULL

    cdef const char* _read_event(self, const char* at, const char* end) except? NULL:
        cdef JsonReader reader = self.reader
        cdef const char* behind
        at = blank(at, end)
        behind = reader.read_next(at, end)
        # An answer repeats the target as it came.
        if behind == NULL or reader.is_bool or not is_sane(reader.target):
            return NULL
        if self.n == self.room:
            self._make_room(max(2 * self.room, 16))
        self.events[self.n] = Event(at, behind, reader.id, reader.id_length, reader.first, reader.n, reader.target)
        self.n += 1
        reader.first += reader.n
        return behind

    cdef int _make_room(self, Py_ssize_t room) except -1:
        cdef Event* events = <Event*>realloc(self.events, room * sizeof(Event))
        if events == NULL:
            raise MemoryError(f"There is no memory for a message of {room} events.")
        self.events, self.room = events, room
        return 0

    cpdef int learn(self, bint again, Prequential errors, list answers) except -1:
        """Predict and learn from the next event on, up to an unusual one.

        Args:
            again: whether the message came before.
            errors: what scores the predictions.
            answers: takes them in.
        """
        cdef CompiledFeatureLearner kernel = self.kernel
        cdef JsonReader reader = self.reader
        cdef Event* event
        cdef uint64_t word = 0
        cdef double prediction
        self.n_learned = self.n_repeats = self.n_redelivered = 0
        while self.place < self.n:
            event = &self.events[self.place]
            if event.id != NULL:
                word = siphash(<const unsigned char*>event.id, event.id_length)
                if self.seen._holds(word):
                    self.n_repeats += 1
                    self.place += 1
                    continue
            elif again:
                self.n_redelivered += 1
                self.place += 1
                continue
            reader.first, reader.n, reader.target = event.first, event.n, event.target
            try:
                if not take(kernel, reader):
                    return 0
            except ValueError:
                # Whoever looks closer finds the same fault.
                return 0
            prediction = kernel.learn_event(event.target)
            if event.id != NULL:
                self.seen._add(word)
            errors.update(event.target, prediction)
            self.n_learned += 1
            self.place += 1
            name = None if event.id == NULL else event.id[: event.id_length].decode("ascii")
            answers.append(Prediction(prediction, name, event.target))
        self._forget()
        return 0

    @property
    def is_done(self):
        """Whether `learn` came to the end of the message, not to an unusual event."""
        return self.message is None

    def take_unusual(self):
        """The event at which `learn` stopped, which is passed over: its place in the message, and its text."""
        cdef Event* event = &self.events[self.place]
        self.place += 1
        return self.place - 1, event.start[: event.end - event.start]

"""Monitor that watches the prediction error and the inputs of a learner for drift."""
from collections.abc import Mapping

import msgspec
import numpy as np

from cpython.float cimport PyFloat_Check
from cpython.long cimport PyLong_Check
from libc.math cimport fabs

from edgedescent.drift._history cimport Change
from edgedescent.drift._watch cimport Watch
from edgedescent.features._encoder cimport EncodedEvent, Encoder
from edgedescent.features._kinds cimport CATEGORICAL
from edgedescent.numerics._numbers cimport NAME_BYTES_MAX, is_sane, plain_number

from edgedescent.drift.alarm import Alarm, decode, encode

cdef enum:
    # Alarms that are kept for the status.
    LATEST_MAX = 8
    INPUTS_MAX = 64


cdef inline bint is_name(object name):
    """True for text that an encoder would take as a name, of at most as many letters, and that can be published."""
    return type(name) is str and len(<str>name) <= NAME_BYTES_MAX and name.isprintable()


cdef class DriftMonitor:
    """Monitor of the absolute prediction error and of the first numeric inputs, each by a detector of its own.

    It only looks on: the learner does the same with it as without. What it keeps has a bound, whatever comes.

    The inputs are the numeric features that come first, up to `inputs_max`; categories are not watched. An input that is
    absent from an event, or not finite, has no value there.

    Args:
        detector: The test for change.
        inputs_max: Number of inputs to watch, 0 to 64.
        watches_error: False for a learner whose predictions are in no unit, as those of a ranking.

    Attributes:
        raised: Changes that were found since the last call of `take`.

    Raises:
        ValueError: If `inputs_max` is out of its range.

    Example:
        >>> from edgedescent.drift import ADWIN
        >>> monitor = DriftMonitor(ADWIN())
        >>> for event in range(1, 2001):
        ...     monitor.update({"temp": 20.0 + event % 7}, y=0.0, prediction=event % 5 * (0.1 if event <= 1000 else 1.0), event=event)
        >>> [(alarm.watched, alarm.since, round(alarm.before, 1), round(alarm.after, 1)) for alarm in monitor.take(1, 0.0, 0)]
        [('error', 1001, 0.2, 2.0)]
    """

    def __init__(self, detector, Py_ssize_t inputs_max=4, *, bint watches_error=True):
        if not 0 <= inputs_max <= INPUTS_MAX:
            raise ValueError(f"The `inputs_max` of a drift monitor must be from 0 to {INPUTS_MAX}. Got {inputs_max}.")
        self.detector, self.inputs_max = detector, inputs_max
        self.error = Watch(None, detector) if watches_error else None
        self.watches, self.by_name = [], {}
        self.version = -1
        self.raised, self.latest = [], []

    # --- Watching -------------------------------------------------------------------------------------------------

    cdef int note_error(self, double target, double prediction, long long number) except -1:
        """Watch the error of learned event `number`."""
        if self.error is not None:
            self._note(self.error, fabs(target - prediction), number)
        return 0

    cdef int note_encoded(self, Encoder encoder, long long number) except -1:
        """Watch the inputs of the encoder's event, which was learned."""
        cdef EncodedEvent* event = &encoder.event
        cdef Py_ssize_t place, n_found = 0
        cdef Watch watch
        if encoder.vocabulary.version != self.version:
            self._find_rows(encoder)
        for watch in self.watches:
            if watch.row == 0:
                watch.row = encoder.vocabulary.find(watch.name)
                if watch.row == 0:
                    continue
            place = watch.place
            if place >= event.n or event.rows[place] != watch.row:
                place = 0
                while place < event.n and event.rows[place] != watch.row:
                    place += 1
                if place == event.n:
                    continue
                watch.place = place
            n_found += 1
            self._note(watch, event.x[place], number)
        if n_found < event.n and len(self.watches) < self.inputs_max:
            self._adopt_encoded(encoder, number)
        return 0

    cdef int _find_rows(self, Encoder encoder) except -1:
        """Find the rows of the watched inputs: rows of the encoder were assigned to other names."""
        cdef Watch watch
        for watch in self.watches:
            watch.row = encoder.vocabulary.find(watch.name)
        self.version = encoder.vocabulary.version
        return 0

    cdef int _adopt_encoded(self, Encoder encoder, long long number) except -1:
        """Begin to watch the numeric inputs of the encoder's event that are not watched yet."""
        cdef EncodedEvent* event = &encoder.event
        cdef Py_ssize_t place, row
        cdef Watch watch
        cdef bint is_watched
        for place in range(event.n):
            row = event.rows[place]
            if row == 0 or encoder.kinds[row] == CATEGORICAL:
                continue
            is_watched = False
            for watch in self.watches:
                is_watched |= watch.row == row
            if not is_watched and len(self.watches) < self.inputs_max:
                watch = self._begin(encoder.vocabulary.name_of[row])
                watch.row, watch.place = row, place
                self._note(watch, event.x[place], number)
        return 0

    def _begin(self, str name):
        """Begin to watch an input."""
        watch = Watch(name, self.detector)
        self.watches.append(watch)
        self.by_name[name] = watch
        return watch

    cdef int note_features(self, object x, long long number) except -1:
        """Watch the inputs of an event that came as a mapping: its numbers that are not nested."""
        cdef Watch watch
        for watch in self.watches:
            value = x.get(watch.name)
            if PyFloat_Check(value) or PyLong_Check(value):
                self._note(watch, plain_number(value), number)
        if len(self.watches) < self.inputs_max:
            for name, value in x.items():
                if (len(self.watches) < self.inputs_max and (PyFloat_Check(value) or PyLong_Check(value))
                        and is_name(name) and name not in self.by_name):
                    self._note(self._begin(name), plain_number(value), number)
        return 0

    cdef int _note(self, Watch watch, double value, long long number) except -1:
        cdef Change change
        if is_sane(value) and watch.take(value, <double>number):
            change = watch.change()
            self.raised.append((watch.name, change.before, change.after, int(change.since), number))
            watch.start_anew()
        return 0

    def update(self, x, y, prediction, event):
        """Watch a learned event.

        Args:
            x: Its features.
            y: Its target.
            prediction: What was predicted before it was learned.
            event: Its number.
        """
        if not isinstance(x, Mapping):
            raise TypeError(f"The features x of an event must map names to numbers. Got {x!r:.80}.")
        self.note_error(y, prediction, event)
        self.note_features(x, event)

    # --- Alarms ---------------------------------------------------------------------------------------------------

    def take(self, position, time, n_before):
        """Return the alarms for the changes that were found since the last call.

        Args:
            position: Position of the message at which they were found.
            time: When it was received.
            n_before: Number of alarms before them.
        """
        detector = type(self.detector).__name__
        alarms = [
            Alarm(number=number, position=position, time=time, detector=detector, watched="error" if name is None else "input",
                  input=name, before=before, after=after, since=since, event=event)
            for number, (name, before, after, since, event) in enumerate(self.raised, start=n_before + 1)
        ]
        self.raised = []
        self.latest = [*self.latest, *alarms][-LATEST_MAX:]
        return alarms

    def inputs(self):
        """Return the names of the inputs that are watched."""
        return list(self.by_name)

    def latest_alarms(self):
        """Return the last alarms, the oldest first; at most eight."""
        return list(self.latest)

    # --- State ----------------------------------------------------------------------------------------------------

    def save(self, prefix=""):
        """Return the state by name, behind `prefix`."""
        watches = [*([self.error] if self.error is not None else []), *self.watches]
        return {
            f"{prefix}inputs": self.inputs(),
            f"{prefix}watches": np.array([watch.save() for watch in watches]),
            f"{prefix}latest": [encode(alarm).decode() for alarm in self.latest],
        }

    def restore(self, state, prefix=""):
        """Restore what `save` returned.

        Raises:
            ValueError: If no monitor with these parameters can have saved it.
            KeyError: If a part is missing.
        """
        names, numbers, latest = (state[f"{prefix}{part}"] for part in ("inputs", "watches", "latest"))
        n = len(names) + (self.error is not None)
        if len(names) > self.inputs_max or len(set(names)) != len(names) or len(numbers) != n or len(latest) > LATEST_MAX:
            raise ValueError(f"A drift monitor of {self.inputs_max} inputs cannot take {len(numbers)} watches of {names!r:.200}.")
        try:
            alarms = [decode(text) for text in latest]
        except msgspec.DecodeError as error:
            raise ValueError(f"The alarms of a drift monitor cannot be read: {error}.") from error
        restored = [Watch(name, self.detector) for name in names]
        own = [] if self.error is None else [Watch(None, self.detector)]
        for watch, row in zip([*own, *restored], numbers):
            watch.restore(row)
        self.error = own[0] if own else None
        self.watches, self.by_name = restored, {watch.name: watch for watch in restored}
        self.latest, self.raised, self.version = alarms, [], -1

"""The learning loop: recognizes repeats, predicts, learns, scores, answers and counts events of every format."""
import numpy as np

from cpython.dict cimport PyDict_GetItem, PyDict_SetItem
from cpython.object cimport PyObject
from libc.math cimport isfinite
from libc.stdint cimport uint64_t

from edgedescent.conformal._prediction_intervals cimport PredictionIntervals
from edgedescent.drift._monitor cimport DriftMonitor
from edgedescent.engine._dedup_window cimport DedupWindow
from edgedescent.engine._quarantine cimport Quarantine
from edgedescent.evaluation._prequential cimport Prequential
from edgedescent.features._encoder cimport Encoder, as_event
from edgedescent.formats._content_hash cimport text_hash
from edgedescent.formats._cursor cimport EventCursor
from edgedescent.formats._json_reader cimport JsonLines
from edgedescent.learners._feature_learner cimport CompiledFeatureLearner
from edgedescent.numerics._numbers cimport is_sane

from collections import Counter
from collections.abc import Mapping

from edgedescent.engine._quarantine import absurd_label, flood_of_names
from edgedescent.engine.messages import Prediction
from edgedescent.errors import InvalidEventError, TooDeepError, TooLargeError
from edgedescent.formats import ItemEvent, Rejected

cdef object ITEM_EVENT = ItemEvent
cdef dict REASONS = {TooLargeError: "too_large", TooDeepError: "too_deep"}


cdef class LearningLoop:
    """Loop over events that predicts and learns each; the one place where a learner of the engine learns.

    Args:
        learner: what predicts and learns. Events that are raw bytes go straight into a built-in learner of features;
            any other learner, and one that overrides how it learns, gets events as objects.
        payload_format: format of the messages.
        seen: learned events with ids, by which repeats are recognized.
        quarantine: what holds back events that would make the learner forget; None to learn everything.
        errors: scores of the predictions of learned events; new ones by default.
        counters: a Counter that counts the events; a new one by default.
        by_topic: whether an id belongs to the topic of its message, so that the same id over another topic is another.
        learns_reused: whether an event with the id of one that said something else is learned.
        intervals: prediction intervals of one level, which the answers carry; None for answers without them.
        drift: what watches the errors and inputs of the learned events; None where nothing is watched.
        recommending: what scores lists of items by the learned events, makes those that follow, and keeps the
            attributes of items; None where nothing is recommended.

    Attributes:
        reused: topic and id of the latest event whose id had come with other content; None if there was none.
    """

    cdef object learner
    cdef object format
    # The learner where it takes raw events; else None.
    cdef CompiledFeatureLearner compiled
    cdef bint takes_features
    cdef DedupWindow seen
    # Number of events by which the last run stayed below its bound; 0 if it ended there, with events left perhaps.
    cdef readonly Py_ssize_t left
    cdef Quarantine quarantine
    cdef Prequential errors
    cdef object counters
    cdef bint judges_labels
    cdef bint by_topic
    cdef bint learns_reused
    cdef PredictionIntervals intervals
    cdef DriftMonitor drift
    cdef object recommending
    cdef readonly object reused
    # The topic of the message before, and its hash.
    cdef str topic
    cdef uint64_t source

    def __init__(self, learner, payload_format, DedupWindow seen, Quarantine quarantine=None, Prequential errors=None,
                 counters=None, *, bint by_topic=True, bint learns_reused=True, PredictionIntervals intervals=None,
                 DriftMonitor drift=None, recommending=None):
        self.learner = learner
        self.format = payload_format
        self.seen = seen
        self.quarantine = quarantine
        self.errors = Prequential() if errors is None else errors
        self.counters = Counter() if counters is None else counters
        self.judges_labels = quarantine is not None and learner.labels_are_amounts
        self.by_topic, self.learns_reused, self.intervals, self.drift = by_topic, learns_reused, intervals, drift
        self.recommending = recommending
        self.topic = ""
        self.takes_features = learner.input_kind == "features"
        if getattr(type(learner), "predict_learn_one", None) is CompiledFeatureLearner.predict_learn_one:
            self.compiled = learner
            self.compiled.require_constructed()

    @property
    def takes_raw(self):
        """True if the learner takes raw events."""
        return self.compiled is not None

    def run(self, EventCursor events not None, message, bint redelivered, Py_ssize_t events_max):
        """Predict and learn the next events of a cursor, in order; returns their answers.

        Args:
            events: cursor before its first event, or where the last run left it.
            message: the message that holds them.
            redelivered: whether it was handled before; events without an id are then repeats.
            events_max: number of events after which the run ends; see `left`.
        """
        cdef list answers = []
        cdef str topic = message.topic
        cdef uint64_t source = self.source_of(topic), key = 0, content = 0
        cdef double prediction, half_width = 0.0
        cdef bint knows = False, is_about_item = False
        cdef Py_ssize_t n_learned = 0, n_predicted = 0, n_items = 0, n_repeats = 0, n_redelivered = 0, n_reused = 0
        cdef long long n_before = 0
        if self.drift is not None:
            n_before = self.counters["events_learned"]
        while events_max > 0:
            if not events.next():
                events.close()
                break
            events_max -= 1
            try:
                is_about_item = not (self.takes_features or events.has_target) and type(events.event()) is ITEM_EVENT
                if not (events.has_target or is_about_item):
                    n_predicted += 1
                    prediction = self.predict_learn(events)
                    if self.intervals is not None:
                        half_width = self.intervals.half_width(0, prediction)
                else:
                    if events.has_id:
                        key = source + events.id_hash()
                        knows = self.seen._knows(key)
                        if knows:
                            content = events.content_hash()
                            if self.seen._holds(key, content):
                                n_repeats += 1
                                continue
                            self.reused = (topic, events.id())
                            if not self.learns_reused:
                                n_reused += 1
                                n_repeats += 1
                                continue
                        elif not events.is_raw:
                            # Before it is learned, because this may raise an error.
                            content = events.content_hash()
                    elif redelivered:
                        n_redelivered += 1
                        continue
                    if is_about_item:
                        self.note_item(events.event())
                        n_items += 1
                        if events.has_id:
                            n_reused += knows
                            self.seen._append(key, content)
                        continue
                    if self.judges_labels and self.quarantine.holds_label(events.target):
                        raise absurd_label(self.quarantine, events.target)
                    if self.recommending is not None:
                        self.recommending.before(events.event(), events.target)
                    prediction = self.predict_learn(events)
                    if events.earlier == events.earlier:
                        # What was said before the label was there is what counts.
                        prediction = events.earlier
                    if events.has_id:
                        if not knows and events.is_raw:
                            # In the encoder or an object by now, so that this is cheap and raises no error.
                            content = events.content_hash()
                        n_reused += knows
                        self.seen._append(key, content)
                    if self.judges_labels:
                        self.quarantine.note_label(events.target)
                    self.errors.update(events.target, prediction)
                    if self.intervals is not None:
                        half_width = self.intervals.half_width(0, prediction)
                        self.intervals.learn(events.target, prediction)
                    n_learned += 1
            except (ValueError, TypeError, InvalidEventError) as error:
                payload = events.payload(message.payload, self.format)
                events.rejected.append(Rejected(events.index, invalid(error), payload))
                continue
            if self.drift is not None and events.has_target:
                self.watch(events, prediction, n_before + n_learned)
            if self.recommending is not None and events.has_target:
                self.recommending.learned(events.event(), events.target)
            answers.append(self.answer(events, prediction, half_width))
        self.left = events_max
        count(self.counters, "events_learned", n_learned)
        count(self.counters, "events_predicted", n_predicted)
        count(self.counters, "item_events", n_items)
        count(self.counters, "duplicates", n_repeats + n_redelivered)
        count(self.counters, "duplicates.id", n_repeats)
        count(self.counters, "duplicates.redelivered", n_redelivered)
        count(self.counters, "ids_reused", n_reused)
        return answers

    def skip_to(self, EventCursor events not None, Py_ssize_t place):
        """Move a cursor to the event at a place in the message, which is not learned."""
        while events.next():
            if events.index == place:
                break

    cdef uint64_t source_of(self, str topic) except? 0:
        """Hash of what an id belongs to."""
        if not self.by_topic:
            return 0
        if topic != self.topic:
            self.source = text_hash(topic)
            self.topic = topic
        return self.source

    cdef object answer(self, EventCursor events, double prediction, double half_width):
        """Return the answer to the event at hand; `half_width` is that of its interval, infinite where none is known."""
        if self.intervals is None or not isfinite(half_width):
            return Prediction(prediction, events.id(), events.label())
        return Prediction(
            prediction, events.id(), events.label(), prediction - half_width, prediction + half_width)

    cdef int watch(self, EventCursor events, double prediction, long long number) except -1:
        """Let the drift monitor look at the learned event at hand, which is the `number`-th."""
        self.drift.note_error(events.target, prediction, number)
        if self.drift.inputs_max and self.takes_features:
            if self.compiled is not None:
                # Whichever way the event came, it is in the encoder.
                self.drift.note_encoded(self.compiled.encoder, number)
            else:
                self.drift.note_features(events.event().x, number)
        return 0

    cdef double predict_learn(self, EventCursor events) except? -1.0:
        """Predict the event at hand and, if it has a target, learn it."""
        cdef double target
        cdef Py_ssize_t n_names
        if self.compiled is not None and events.is_raw and not events.has_target:
            if events.encode(self.compiled.encoder):
                return self.compiled.predict_event()
        elif self.compiled is not None and events.is_raw and is_sane(events.target):
            self.compiled.check_target(events.target)
            if events.encode(self.compiled.encoder):
                self.check_names(self.compiled.encoder.event.n, 0)
                return self.compiled.learn_event(events.target)
        event = events.event()
        if self.takes_features:
            if event.y is None:
                return self.learner.predict_one(event.x)
            if self.compiled is None:
                if self.quarantine is not None:
                    # Which names are new is known to the learner alone, so all count as new.
                    n_names = count_names(event.x)
                    self.check_names(n_names, n_names)
            elif self.compiled.read_labelled(as_event(event.x), event.y, &target):
                self.check_names(self.compiled.encoder.event.n, n_new_names(self.compiled.encoder))
                return self.compiled.learn_event(target)
            return self.learner.predict_learn_one(event.x, event.y)
        if event.y is None:
            return self.learner.predict_one(event.user, event.item)
        return self.learner.predict_learn_one(event.user, event.item, event.y)

    cdef int note_item(self, event) except -1:
        """Take in what an event says of an item."""
        cdef object set_available = getattr(self.learner, "set_available", None)
        if set_available is None:
            raise InvalidEventError("wrong_type", f"{type(self.learner).__name__} recommends nothing: expected a `user`.")
        if self.recommending is not None and event.x is not None:
            self.recommending.note_attributes(event.item, event.x)
        if event.available is not None:
            set_available(event.item, event.available)
        return 0

    cdef inline int check_names(self, Py_ssize_t n, Py_ssize_t n_new) except -1:
        """Raise InvalidEventError if an event of so many names, new ones among them, is held back."""
        if self.quarantine is not None and self.quarantine.holds_names(n, n_new):
            raise flood_of_names(self.quarantine, n_new)
        return 0


cdef inline int count(object counters, str name, Py_ssize_t n) except -1:
    """Add to a counter, which is not there before something is counted."""
    cdef PyObject* before
    if n:
        # Assigning to an item of a Counter takes five times as long.
        before = PyDict_GetItem(counters, name)
        PyDict_SetItem(counters, name, n if before == NULL else <object>before + n)
    return 0


cdef object invalid(object error):
    """Why an event cannot be used, where reading or learning it raised an error."""
    if isinstance(error, InvalidEventError):
        return error
    return InvalidEventError(REASONS.get(type(error), "wrong_type"), str(error))


cdef inline Py_ssize_t n_new_names(Encoder encoder) noexcept:
    """Number of names of the encoder's event that were never learned; hashed names are all taken for such."""
    return encoder.event.n if encoder.hash_mask else encoder.n_unknown


cdef Py_ssize_t count_names(object values) except -1:
    """Number of names in features that may be nested."""
    cdef Py_ssize_t n = 0
    for value in values.values() if isinstance(values, Mapping) else values:
        n += count_names(value) if isinstance(value, (Mapping, list, tuple)) else 1
    return n


def learn_each_line(learner, JsonLines lines not None):
    """Predict the event of each line, then learn from it, in order; returns the predictions.

    Raises:
        ValueError: if a line cannot be used; it names the line. Those before it are learned.
    """
    cdef LearningLoop loop = LearningLoop(learner, lines.format, None)
    cdef double[::1] predictions = np.empty(lines.count_lines())
    cdef Py_ssize_t n = 0
    try:
        while lines.next():
            predictions[n] = loop.predict_learn(lines)
            n += 1
    except (ValueError, InvalidEventError) as error:
        raise ValueError(f"Line {lines.number}: {error}") from error
    return np.array(predictions[:n])

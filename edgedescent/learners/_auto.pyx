"""Model of the automatic regressor: members over one encoder and the own lags of the label, and their mixture."""
import numpy as np

from libc.math cimport sqrt
from libc.stdint cimport uint64_t

from edgedescent.ensemble._event_ring cimport EventRing
from edgedescent.ensemble._inputs cimport InputBuffer, Inputs
from edgedescent.ensemble._label_history cimport LAGS, LabelHistory
from edgedescent.ensemble._least_squares cimport LeastSquares
from edgedescent.ensemble._mixture cimport Mixture
from edgedescent.ensemble._neighbours cimport Neighbours
from edgedescent.ensemble._network cimport Network
from edgedescent.features._encoder cimport EncodedEvent, Encoder
from edgedescent.learners._feature_model cimport FeatureModel
from edgedescent.numerics._numbers cimport EVENT_VALUES_MAX, is_sane

from edgedescent.validation import as_numbers

cdef enum:
    # Last label, mean, two forgetting means, and for each of two periods the seasonal label and the seasonal change.
    SIMPLE = 8
    # Inputs that share the matrix of a least-squares member, and those that count for neighbours.
    DENSE_MAX = 96
    NEIGHBOUR_INPUTS = 64

# Standardized targets are clipped at so many deviations.
cdef double TARGET_CLIP = 10.0
# Initial weights of a category are smaller, as those of `edgedescent.MLPRegressor`.
cdef double CATEGORY_SCALE = 0.1
# Initial variance of the weights of least squares, in squared deviations of the target.
cdef double PRIOR = 100.0


cdef class AutoModel(FeatureModel):
    """Compiled model of `edgedescent.AutoRegressor`, which chooses its members.

    Args:
        encoder: Encoder of the events.
        parameters: The learner, whose `members` are the specifications.
    """

    cdef readonly LabelHistory history
    cdef readonly Mixture mixture
    cdef readonly EventRing ring
    cdef readonly Neighbours neighbours
    cdef readonly list networks
    cdef readonly list least_squares
    # For each network whether its target is the change against the last label.
    cdef readonly tuple on_change
    cdef Py_ssize_t n_networks
    cdef Py_ssize_t n_squares
    cdef InputBuffer buffer
    cdef InputBuffer replayed
    cdef double lags[LAGS]
    # The inputs in double precision, for least squares.
    cdef double* z
    cdef object z_array

    def __init__(self, Encoder encoder, parameters):
        FeatureModel.__init__(self, encoder)
        cdef Py_ssize_t i
        members = parameters.members
        seed = parameters.seed
        self.history = LabelHistory()
        self.ring = EventRing(members.remembered, LAGS + 1)
        self.keeps_events = True
        # A wide event may be replayed at any time.
        encoder.room_kept = EVENT_VALUES_MAX
        self.networks = [
            Network(LAGS, one.n_lags, one.hidden, one.rate, one.decay, one.replay_steps, one.replay_size, seed * 64 + i)
            for i, one in enumerate(members.networks)
        ]
        self.on_change = tuple(one.on_change for one in members.networks)
        # By turns on the change against the last label and on the label.
        self.least_squares = [LeastSquares(DENSE_MAX, one, PRIOR) for one in members.forgettings for _ in range(2)]
        self.neighbours = None
        if members.neighbours:
            self.neighbours = Neighbours(members.remembered, members.neighbours, NEIGHBOUR_INPUTS)
        self.n_networks, self.n_squares = len(self.networks), len(self.least_squares)
        n_members = SIMPLE + self.n_squares + self.n_networks + (2 if members.neighbours else 0)
        self.mixture = Mixture(n_members, members.stacks, members.regret_forgetting)
        self.buffer, self.replayed = InputBuffer(LAGS), InputBuffer(LAGS)
        self._grow(encoder.scaler.rows)
        for i in range(LAGS + 1):
            self._start(i, i, sqrt(2.0 / (LAGS + 1)))

    cdef int _grow(self, Py_ssize_t rows) except -1:
        """Make room for the weights of so many rows of the encoder."""
        for network in self.networks:
            (<Network>network).grow(LAGS + rows)
        for squares in self.least_squares:
            (<LeastSquares>squares).reserve(LAGS + rows)
        return 0

    cdef void _start(self, Py_ssize_t slot, uint64_t word, double deviation) noexcept:
        """Give the weights of an input their first values."""
        cdef Py_ssize_t i
        for i in range(self.n_networks):
            (<Network>self.networks[i]).start_slot(slot, word, deviation)
        for i in range(self.n_squares):
            (<LeastSquares>self.least_squares[i]).start(slot)

    cdef int prepare(self) except -1:
        cdef Encoder encoder = self.encoder
        cdef Py_ssize_t n = encoder.event.n + LAGS + 1
        cdef double[::1] z
        if self.room != encoder.room or self.z_array is None:
            self.room = 0
            self.buffer.make_room(encoder.room)
            self.replayed.make_room(encoder.room)
            z = self.z_array = np.zeros(encoder.room + LAGS + 1)
            self.z = &z[0]
            for network in self.networks:
                (<Network>network).make_room(encoder.room + LAGS + 1)
            self.room = encoder.room
        if self.rows < encoder.scaler.rows:
            self._grow(encoder.scaler.rows)
            self.rows = encoder.scaler.rows
        return self.ring.make_room(n)

    cdef void start_new_rows(self) noexcept nogil:
        with gil:
            self._start_new_rows()

    cdef void _start_new_rows(self) noexcept:
        cdef Encoder encoder = self.encoder
        cdef Py_ssize_t j, row
        cdef double deviation
        for j in range(encoder.n_new):
            row = encoder.new_rows[j]
            deviation = sqrt(2.0 / (LAGS + 1 + encoder.n_read))
            if encoder.is_category[row]:
                deviation *= CATEGORY_SCALE
            # Seeded by the feature's own name: the first values depend on nothing that came before.
            self._start(LAGS + row, encoder.new_hashes[j], deviation)
            if encoder.vocabulary.evicted == 0:
                continue
            self.ring.forget_slot(<int>(LAGS + row))
            if self.neighbours is not None:
                self.neighbours.forget_slot(LAGS + row)

    cdef double predict(self, const EncodedEvent* event) noexcept nogil:
        with gil:
            return self._predict(event)

    cdef double _predict(self, const EncodedEvent* event) noexcept:
        """Fill the predictions of all members for an event, and return their mixture."""
        cdef LabelHistory history = self.history
        cdef Inputs* inputs = &self.buffer.inputs
        cdef double* out = self.mixture.predictions
        cdef double base = history.back(1) if history.n else 0.0, s = history.deviation, d = history.change
        cdef double lowest = history.bounded(-1e300), highest = history.bounded(1e300)
        cdef Py_ssize_t i, k = SIMPLE, period
        s = s if s > 0.0 else 1.0
        d = d if d > 0.0 else s
        history.lags(self.lags)
        self.buffer.fill(self.lags, event)
        for i in range(inputs.n):
            self.z[i] = inputs.z[i]
        out[0], out[1], out[2], out[3] = base, history.mean, history.fast_mean, history.slow_mean
        for i in range(2):
            period = history.second_period if i else history.period
            out[4 + 2 * i] = out[5 + 2 * i] = base
            if period and history.has(period + 1):
                out[4 + 2 * i] = history.back(period)
                out[5 + 2 * i] = base + history.back(period) - history.back(period + 1)
        for i in range(self.n_squares):
            out[k] = (<LeastSquares>self.least_squares[i]).predict(inputs.slots, self.z, inputs.n)
            out[k] = history.mean + s * out[k] if i % 2 else base + d * out[k]
            k += 1
        for i in range(self.n_networks):
            out[k] = (<Network>self.networks[i]).forward(inputs)
            out[k] = base + d * out[k] if self.on_change[i] else history.mean + s * out[k]
            k += 1
        if self.neighbours is not None:
            self.neighbours.predict(inputs, base, out + k, out + k + 1)
            k += 2
        for i in range(k):
            # A comparison with NaN is false: a broken member repeats the last label.
            if not lowest <= out[i] <= highest:
                out[i] = highest if out[i] > highest else (lowest if out[i] < lowest else base)
        return self.mixture.mix(base, lowest, highest)

    cdef double learn(self, double y) noexcept nogil:
        with gil:
            return self._learn(y)

    cdef double _learn(self, double y) noexcept:
        """Learn the encoder's event; returns the prediction before it."""
        cdef LabelHistory history = self.history
        cdef Inputs* inputs = &self.buffer.inputs
        cdef double prediction = self._predict(&self.encoder.event)
        cdef double base = history.back(1) if history.n else 0.0
        cdef Py_ssize_t i
        self.mixture.learn(base, y)
        if history.n == 0:
            return prediction
        for i in range(self.n_squares):
            (<LeastSquares>self.least_squares[i]).learn(
                inputs.slots, self.z, inputs.n, self._target(not i % 2, base, y))
        for i in range(self.n_networks):
            (<Network>self.networks[i]).learn(inputs, self._target(self.on_change[i], base, y))
        self.ring.push(inputs, base, y)
        for i in range(self.n_networks):
            self._replay(self.networks[i], self.on_change[i])
        if self.neighbours is not None:
            self.neighbours.push(inputs, base, y)
        return prediction

    cdef double _target(self, bint on_change, double base, double y) noexcept nogil:
        """Return the standardized target of a member."""
        cdef double s = self.history.deviation, d = self.history.change, target
        s = s if s > 0.0 else 1.0
        d = d if d > 0.0 else s
        target = (y - base) / d if on_change else (y - self.history.mean) / s
        target = target if target < TARGET_CLIP else TARGET_CLIP
        return target if target > -TARGET_CLIP else -TARGET_CLIP

    cdef void _replay(self, Network network, bint on_change) noexcept nogil:
        """Let a network learn events of the ring again."""
        cdef Inputs* inputs = &self.replayed.inputs
        cdef Py_ssize_t step, place
        for step in range(network.replay_steps):
            place = self.ring.recall(network.draw(self.ring), inputs)
            network.replay_one(inputs, self._target(on_change, self.ring.bases[place], self.ring.labels[place]))
        network.compare(self.ring)

    cdef void after_update(self, double y) noexcept nogil:
        self.history.push(y)

    def append_labels(self, labels):
        """Take in labels as the last ones without learning from them; what is no label to learn is left out."""
        cdef double[::1] values = as_numbers("labels", labels, 1)
        cdef Py_ssize_t i
        for i in range(values.shape[0]):
            if is_sane(values[i]):
                self.history.append(values[i])

    # --- State ----------------------------------------------------------------------------------------------------

    def counts(self):
        """Return how often members began anew, and let go of events that no longer agree with new ones."""
        return {
            "members_restarted": sum(one.n_restarts for one in (*self.networks, *self.least_squares)),
            "replays_let_go": sum(one.n_let_go for one in self.networks),
        }

    def save(self):
        cdef Py_ssize_t slots = LAGS + self.encoder.vocabulary.size()
        members = {
            **{f"network{i}.{name}": value for i, one in enumerate(self.networks)
               for name, value in one.save(slots).items()},
            **{f"squares{i}.{name}": value for i, one in enumerate(self.least_squares)
               for name, value in one.save().items()},
            **(self.neighbours.save() if self.neighbours is not None else {}),
        }
        return {**self.history.save(), **self.ring.save(), **self.mixture.save(), **members}

    def restore(self, dict state):
        cdef Py_ssize_t slots = LAGS + self.encoder.vocabulary.size()
        self.history.restore(state)
        self.ring.restore(state, slots, LAGS + 1)
        self.mixture.restore(state)
        self._grow(self.encoder.scaler.rows)
        for prefix, members in (("network", self.networks), ("squares", self.least_squares)):
            for i, one in enumerate(members):
                start = f"{prefix}{i}."
                parts = {name[len(start):]: value for name, value in state.items() if name.startswith(start)}
                one.restore(parts, slots)
        if self.neighbours is not None:
            self.neighbours.restore(state)
        self.encoder.make_room(max(state["ring.lengths"], default=0))
        self.room = 0

"""Small network of an ensemble, in single precision.

::

    a₁ = relu(W₁ z + b₁)
    a₂ = relu(W₂ a₁ + b₂)               where there is a second layer
    f  = b + u · z + v · a

Predictions are those of the averages of the weights over the last steps, which tremble less (Polyak and Juditsky 1992).

After each event, stored ones are learned again: a step follows the average gradient of eight events, of which the new one is
the first. The eight events go through the network together.

It is `edgedescent.MLPRegressor` with what an ensemble does not need left out: single precision, Adam only, and a ring of
events that all networks share. Single precision takes a fifth of the time where the processor has AVX2.
"""
import numpy as np

from libc.math cimport fabs, isfinite, sqrt
from libc.stdint cimport uint64_t
from libc.string cimport memcpy, memset

from edgedescent.ensemble._batch cimport BATCH
from edgedescent.ensemble._repeated_values cimport VALUE_SLOTS
from edgedescent.numerics._agreement cimport KEPT, Agreement
from edgedescent.numerics._batch_kernels cimport (
    adam_step,
    f32_adam_column,
    f32_adam_rows,
    f32_add_to_rows,
    f32_back_output_units,
    f32_back_units,
    f32_dot_units,
    f32_finish_rows,
    f32_layer_units,
    f32_outer_units,
    f32_rectify_to_units,
    f32_sum_rows,
    f32_to_events,
    f64_add_rows,
    f64_layer,
)
from edgedescent.numerics._kernels cimport f64_dot
from edgedescent.numerics._random cimport next_normal, next_uniform

# Bound on the norm of a gradient, as that of `edgedescent.MLPRegressor`.
cdef double GRADIENT_NORM_MAX = 10.0
# Number of inputs above which the rate falls with their number: the steps of all inputs add up.
cdef double WIDE = 16.0
# Errors beyond so many mean absolute errors count as outliers (adaptive Huber).
cdef double CLIP = 3.0
# Rate at which the scale of the error follows.
cdef double SCALE_RATE = 0.01

# Adam's 1 - beta and eps, and the bound on weights.
cdef float REST2 = 0.001
cdef float EPS = 1e-8
cdef float LIMIT = 1e8

# Rate at which the averages of the weights follow, per step.
cdef float AVERAGE = 0.024

# Largest number in single precision.
cdef double FLOAT_MAX = 3.4028234663852886e38

# Of the names of the weights in the state, of Adam's two averages, and of the averages of the weights.
cdef tuple SUFFIXES = ("", "_mean", "_square", "_average")


cdef class Network:
    """Multilayer perceptron with a linear skip connection, Adam and experience replay.

    Args:
        n_lags: Number of lags among the inputs.
        lags_used: Number of these, from the first on, that the network has weights for.
        hidden: Widths of one or two hidden layers.
        rate: Learning rate of Adam.
        decay: Weight of the penalty ``decay w² / 2``.
        replay_steps: Number of events that are replayed after each.
        replay_size: Number of newest events that are replayed.
        seed: Seed of the first weights and of the draws.
        takes_values: True if values that come again are inputs, see `edgedescent.ensemble._repeated_values`.
        batch: Scratch for a batch, which networks share that finish their batches one after the other.
    """

    def __init__(self, Py_ssize_t n_lags, Py_ssize_t lags_used, tuple hidden, double rate, double decay,
                 Py_ssize_t replay_steps, Py_ssize_t replay_size, uint64_t seed, bint takes_values=False,
                 Batch batch=None):
        self.takes_values = takes_values
        self.batch = Batch() if batch is None else batch
        self.n_lags, self.lags_used, self.hidden = n_lags, lags_used, hidden
        self.h1, self.h2 = hidden[0], hidden[1] if len(hidden) > 1 else 0
        self.skip = rounded_up(self.h1)
        self.width = self.skip + 8
        self.rate, self.decay = rate, <float>decay
        self.set_momentum(0.9)
        self.average = AVERAGE
        self.replay_steps, self.replay_size, self.seed = replay_steps, replay_size, seed
        self.n_rest = self.h1 + 1 if self.h2 == 0 else (self.h1 + 1) * self.h2 + self.h2 + 1
        self.rows = [np.zeros((0, self.width), dtype=np.float32) for _ in range(4)]
        self.rest = [np.zeros(rounded_up(self.n_rest), dtype=np.float32) for _ in range(4)]
        self.slots = 0
        self.learns_new = False
        cdef float[::1] gradient = np.zeros(rounded_up(self.n_rest), dtype=np.float32)
        cdef float[:, ::1] penalized = np.ones((2, max(self.width, rounded_up(self.n_rest))), dtype=np.float32)
        cdef double[::1] served = np.zeros(self.width + self.h2)
        # No penalty on the biases of the second layer and of the output.
        penalized.base[1, : self.h2] = penalized.base[1, self._output()] = 0.0
        self.scratch, self.served, self.masks = gradient, served, penalized
        self.g_rest, self.served1, self.served2 = &gradient[0], &served[0], &served[0] + self.width
        self.penalized, self.penalized_rest = &penalized[0, 0], &penalized[1, 0]
        cdef float[::1] v = self.rest[0], v_mean = self.rest[1], v_square = self.rest[2], v_average = self.rest[3]
        self.v, self.v_mean, self.v_square, self.v_average = &v[0], &v_mean[0], &v_square[0], &v_average[0]
        self.oldest = self.n_restarts = 0
        self.agreement = Agreement()
        self._begin()

    cdef void _begin(self) noexcept nogil:
        """Draw the first weights of all that does not belong to an input."""
        cdef Py_ssize_t i, last = self.h2 if self.h2 else self.h1
        cdef uint64_t word = self.seed
        for i in range(self.n_rest):
            self.v[i] = self.v_mean[i] = self.v_square[i] = 0.0
        if self.h2:
            for i in range(self.h2, (self.h1 + 1) * self.h2):
                self.v[i] = <float>(sqrt(2.0 / self.h1) * next_normal(&word))
        for i in range(self.n_rest - last, self.n_rest):
            self.v[i] = <float>(sqrt(1.0 / last) * next_normal(&word))
        for i in range(self.n_rest):
            self.v_average[i] = self.v[i]
        self.random = word
        self.power1 = self.power2 = 1.0
        self.scale = self.count = self.replayed_errors = 0.0
        self.n_replayed = 0

    cdef int grow(self, Py_ssize_t slots) except -1:
        """Make room for the weights of so many inputs; new ones are zero until `start_slot`."""
        cdef float[:, ::1] view
        if slots <= self.slots:
            return 0
        # The slots of values stand before slot 0.
        size = VALUE_SLOTS + slots
        self.batch.reserve(slots, self.width, max(self.hidden))
        rows = [np.zeros((size, self.width), dtype=np.float32) for _ in range(4)]
        for larger, before in zip(rows, self.rows):
            larger[: len(before)] = before
        self.rows, self.slots = rows, slots
        view = rows[0]
        self.w = &view[VALUE_SLOTS, 0]
        view = rows[1]
        self.w_mean = &view[VALUE_SLOTS, 0]
        view = rows[2]
        self.w_square = &view[VALUE_SLOTS, 0]
        view = rows[3]
        self.w_average = &view[VALUE_SLOTS, 0]
        return 0

    cdef void start_slot(self, Py_ssize_t slot, uint64_t word, double deviation) noexcept nogil:
        """Draw the first weights of an input from a normal distribution; `word` is their seed."""
        cdef Py_ssize_t i, at = slot * self.width
        cdef uint64_t random = word ^ self.seed
        for i in range(at, at + self.width):
            self.w[i] = self.w_average[i] = <float>(deviation * next_normal(&random)) if i < at + self.h1 else 0.0
            self.w_mean[i] = self.w_square[i] = 0.0

    cdef double serve(self, const Inputs* inputs) noexcept nogil:
        """Return the output for the inputs of an event, by the averages of the weights.

        In double precision: the trees that take the mixture as an input need the same prediction from an exported file,
        which sums in another order.
        """
        cdef Py_ssize_t h = self.h1
        cdef double* a = self.served1
        cdef const float* v = self.v_average
        cdef double skip
        memset(a, 0, self.width * sizeof(double))
        f64_add_rows(a, self.w_average, inputs.slots, inputs.exact, self.lags_used, self.width)
        f64_add_rows(a, self.w_average, inputs.slots + self.n_lags, inputs.exact + self.n_lags, inputs.n - self.n_lags,
                     self.width)
        skip = a[self.skip]
        rectify(a, h)
        if self.h2:
            h = self.h2
            f64_layer(self.served2, v, v + h, a, self.h1, h)
            a = self.served2
            rectify(a, h)
            v += (self.h1 + 1) * h
        return skip + v[0] + f64_dot(v + 1, a, h)

    # --- Learning -------------------------------------------------------------------------------------------------

    cdef void _forward(self) noexcept nogil:
        """Fill the activations and outputs of the batch, by the weights that are learned."""
        cdef Py_ssize_t b, width = self.width, at = self._output()
        cdef float* sums = self.batch.by_event1
        for b in range(self.batch.n):
            f32_sum_rows(sums + b * width, self.w, self.batch.slots_of + b * self.batch.room, self.batch.z + b * self.batch.room,
                         self.batch.lengths[b], width)
        memset(sums + self.batch.n * width, 0, (BATCH - self.batch.n) * width * sizeof(float))
        f32_rectify_to_units(self.batch.active1, sums, self.h1, width)
        if self.h2:
            f32_layer_units(self.batch.active2, self.v, self.v + self.h2, self.batch.active1, self.h1, self.h2)
            f32_dot_units(self.batch.outputs, self.v + at + 1, self.batch.active2, self.h2)
        else:
            f32_dot_units(self.batch.outputs, self.v + at + 1, self.batch.active1, self.h1)
        for b in range(self.batch.n):
            self.batch.errors[b] = <double>sums[b * width + self.skip] + self.v[at] + self.batch.outputs[b] - self.batch.targets[b]

    cdef Py_ssize_t _output(self) noexcept nogil:
        """Return the place of the weights of the output in `rest`."""
        return self.n_rest - (self.h2 if self.h2 else self.h1) - 1

    cdef double _slope(self, double error) noexcept nogil:
        """Derivative of the loss with respect to the output."""
        cdef double limit = CLIP * self.scale
        if self.count <= 10.0 or limit <= 0.0:
            return error
        error = error if error < limit else limit
        return error if error > -limit else -limit

    cdef Py_ssize_t _fill_slopes(self) noexcept nogil:
        """Fill the slopes of the loss from the errors; returns the number of events that are learned.

        It is -1 where the new event shows that a weight overflowed.
        """
        cdef Py_ssize_t b, n = 0
        memset(self.batch.slopes, 0, sizeof(self.batch.slopes))
        for b in range(self.batch.n):
            if not isfinite(self.batch.errors[b]):
                if self.learns_new:
                    return -1
                self.batch.lengths[b] = 0
                continue
            n += 1
            if not self.learns_new:
                self.batch.slopes[b] = <float>self._slope(self.batch.errors[b])
                self.replayed_errors += fabs(self.batch.errors[b])
                self.n_replayed += 1
                continue
            self.learns_new = False
            self.count += 1.0
            self.batch.slopes[b] = <float>self._slope(self.batch.errors[b])
            self._observe_new(fabs(self.batch.errors[b]))
        return n

    cdef void _observe_new(self, double size) noexcept nogil:
        """Take in the size of the error on a new event."""
        cdef double rate = 1.0 / self.count
        self.agreement.observe_new(size)
        if self.count > 10.0 and size > 5.0 * self.scale:
            size = 5.0 * self.scale
        self.scale += (rate if rate > SCALE_RATE else SCALE_RATE) * (size - self.scale)

    cdef void _backward(self) noexcept nogil:
        """Sum up the gradients of the batch, whose slopes are known."""
        cdef Py_ssize_t b, j, h1 = self.h1, h2 = self.h2, width = self.width, at = self._output(), stride = rounded_up(h2)
        cdef const float* v = self.v
        cdef float* by_event = self.batch.by_event1
        # Behind a row of ones, for the biases.
        if h2:
            f32_back_output_units(self.batch.delta2, self.batch.slopes, v + at + 1, self.batch.active2, h2)
            f32_back_units(self.batch.delta1, v + h2, self.batch.active1, self.batch.delta2, h1, h2)
            f32_to_events(self.batch.by_event2, self.batch.delta2, h2, stride)
            f32_outer_units(self.g_rest, self.batch.active1 - BATCH, self.batch.by_event2, h1 + 1, h2, stride)
            f32_outer_units(self.g_rest + at, self.batch.active2 - BATCH, self.batch.slopes, h2 + 1, 1, 1)
        else:
            f32_back_output_units(self.batch.delta1, self.batch.slopes, v + at + 1, self.batch.active1, h1)
            f32_outer_units(self.g_rest, self.batch.active1 - BATCH, self.batch.slopes, h1 + 1, 1, 1)
        f32_to_events(by_event, self.batch.delta1, h1, width)
        self.batch.touch(width)
        for b in range(self.batch.n):
            by_event[b * width + self.skip] = self.batch.slopes[b]
            for j in range(h1, self.skip):
                by_event[b * width + j] = 0.0
            f32_add_to_rows(self.batch.gradient, self.batch.slots_of + b * self.batch.room, self.batch.z + b * self.batch.room,
                            by_event + b * width, self.batch.lengths[b], width)

    cdef double _finish_gradient(self, Py_ssize_t n) noexcept nogil:
        """Divide the gradient by the number of events and add that of the penalty; returns its squared norm."""
        cdef float share = <float>(1.0 / n)
        cdef int whole = 0
        cdef double squares = f32_finish_rows(
            self.batch.gradient, self.w, self.batch.touched, self.penalized, share, self.decay, self.batch.n_touched,
            self.width)
        return squares + f32_finish_rows(
            self.g_rest, self.v, &whole, self.penalized_rest, share, self.decay, 1, rounded_up(self.n_rest))

    cdef void _step(self, double squares) noexcept nogil:
        """Take one step of Adam along the gradient of the batch, with its squared norm."""
        cdef adam_step step = adam_step(1.0, 0.0, 0.0, self.rest1, REST2, EPS, LIMIT, self.average)
        cdef int whole = 0
        if not isfinite(squares):
            return
        if squares > GRADIENT_NORM_MAX * GRADIENT_NORM_MAX:
            step.scale = <float>(GRADIENT_NORM_MAX / sqrt(squares))
        self.power1 *= self.momentum
        self.power2 *= 0.999
        step.rate = <float>(self.rate * (WIDE / self.batch.widest if self.batch.widest > WIDE else 1.0) / (1.0 - self.power1))
        step.inverse_bias = <float>(1.0 / (1.0 - self.power2))
        f32_adam_rows(self.v, self.v_mean, self.v_square, self.v_average, self.g_rest, &whole, &step, 1,
                      rounded_up(self.n_rest), rounded_up(self.n_rest))
        f32_adam_rows(self.w, self.w_mean, self.w_square, self.w_average, self.batch.gradient, self.batch.touched, &step,
                      self.batch.n_touched, self.width, self.skip)
        f32_adam_column(self.w + self.skip, self.w_mean + self.skip, self.w_square + self.skip, self.w_average + self.skip,
                        self.batch.gradient + self.skip, self.batch.touched, &step, self.batch.n_touched, self.width)

    cdef void _learn_batch(self) noexcept nogil:
        """Take a step, if there is an event in the batch, and begin the next batch."""
        cdef Py_ssize_t n
        if self.batch.n == 0:
            return
        self._forward()
        n = self._fill_slopes()
        if n < 0:
            # Begin anew rather than stay broken.
            self._restart(self.batch.widest)
        elif n < self.batch.n:
            # An event without inputs has finite activations. Its slope is 0, so that it adds nothing to the gradient.
            self._forward()
        if n > 0:
            self._backward()
            self._step(self._finish_gradient(n))
        self.learns_new = False
        self.batch.clear()

    cdef void learn(self, const Inputs* inputs, double target) noexcept nogil:
        """Learn a new event, as the first of a batch; `end_replay` is to follow."""
        self.learns_new = True
        self.batch.add(inputs, self.lags_used, self.n_lags, target)

    cdef void replay(self, const Inputs* inputs, double target) noexcept nogil:
        """Learn an event that was drawn from the ring."""
        self.batch.add(inputs, self.lags_used, self.n_lags, target)
        if self.batch.n == BATCH:
            self._learn_batch()

    cdef void end_replay(self, EventRing ring) noexcept nogil:
        """Take the last step, and let go of the older events where replayed ones no longer agree with new ones."""
        self._learn_batch()
        if self.n_replayed:
            self.agreement.observe_replayed(self.replayed_errors / self.n_replayed)
            self.replayed_errors, self.n_replayed = 0.0, 0
            if self.agreement.let_go() and ring.n_pushed - KEPT > self.oldest:
                self.oldest = ring.n_pushed - KEPT

    cdef long long draw(self, EventRing ring) noexcept nogil:
        """Return the number of a random event of those that are replayed; newer ones are drawn more often."""
        cdef long long first = ring.n_pushed - ring.held, age
        cdef double u
        if ring.n_pushed - first > self.replay_size:
            first = ring.n_pushed - self.replay_size
        if first < self.oldest:
            first = self.oldest
        u = next_uniform(&self.random)
        age = <long long>(u * u * (ring.n_pushed - first))
        return ring.n_pushed - 1 - age if age < ring.n_pushed - first else first

    cdef void begin_anew(self, EventRing ring) noexcept nogil:
        """Forget how large errors are, and replay none of the events stored until now."""
        self.scale = self.count = 0.0
        self.oldest = ring.n_pushed

    cdef void rescale(self, double factor, double shift) noexcept nogil:
        """Replace the output o by ``factor * o + shift`` for any inputs; Adam begins anew, for gradients change with it."""
        cdef Py_ssize_t output = self._output(), i
        cdef float f = <float>factor
        cdef size_t rows = (VALUE_SLOTS + self.slots) * self.width * sizeof(float)
        for i in range(output, self.n_rest):
            self.v[i] *= f
            self.v_average[i] *= f
        self.v[output] += <float>shift
        self.v_average[output] += <float>shift
        for i in range(-VALUE_SLOTS, self.slots):
            self.w[i * self.width + self.skip] *= f
            self.w_average[i * self.width + self.skip] *= f
        memset(self.v_mean, 0, self.n_rest * sizeof(float))
        memset(self.v_square, 0, self.n_rest * sizeof(float))
        memset(self.w_mean - VALUE_SLOTS * self.width, 0, rows)
        memset(self.w_square - VALUE_SLOTS * self.width, 0, rows)
        self.power1 = self.power2 = 1.0

    cdef void set_momentum(self, double momentum) noexcept nogil:
        """Set Adam's first decay rate, which is 0.9 at first."""
        self.momentum, self.rest1 = momentum, <float>(1.0 - momentum)

    cdef void inherit(self, Network parent) noexcept nogil:
        """Become a copy of a network of the same widths and slots, which draws stored events of its own."""
        cdef Py_ssize_t of_values = VALUE_SLOTS * self.width
        cdef size_t rows = (VALUE_SLOTS + self.slots) * self.width * sizeof(float), rest = self.n_rest * sizeof(float)
        memcpy(self.w - of_values, parent.w - of_values, rows)
        memcpy(self.w_mean - of_values, parent.w_mean - of_values, rows)
        memcpy(self.w_square - of_values, parent.w_square - of_values, rows)
        memcpy(self.w_average - of_values, parent.w_average - of_values, rows)
        memcpy(self.v, parent.v, rest)
        memcpy(self.v_mean, parent.v_mean, rest)
        memcpy(self.v_square, parent.v_square, rest)
        memcpy(self.v_average, parent.v_average, rest)
        self.power1, self.power2 = parent.power1, parent.power2
        self.scale, self.count, self.oldest = parent.scale, parent.count, parent.oldest
        self.agreement.copy(parent.agreement)
        self.lags_used, self.takes_values, self.replay_size = parent.lags_used, parent.takes_values, parent.replay_size
        self.rate, self.decay, self.average = parent.rate, parent.decay, parent.average
        self.set_momentum(parent.momentum)

    cdef void _restart(self, Py_ssize_t n) noexcept nogil:
        """Begin anew with first weights, of a deviation for events of `n` inputs."""
        cdef Py_ssize_t slot
        self._begin()
        for slot in range(-VALUE_SLOTS, self.slots):
            self.start_slot(slot, slot, sqrt(2.0 / n))
        self.n_restarts += 1

    def start_all(self, Py_ssize_t slots, double deviation):
        """Draw the first weights of so many inputs."""
        self.grow(slots)
        for slot in range(slots):
            self.start_slot(slot, slot, deviation)

    def predict_one(self, InputBuffer buffer):
        """Return the output for an event."""
        return self.serve(&buffer.inputs)

    def learn_one(self, InputBuffer buffer, double target):
        """Take one step on an event."""
        self.batch.make_room(buffer.inputs.n)
        self.learn(&buffer.inputs, target)
        self._learn_batch()

    def gradient(self, list buffers, list targets):
        """Return the average gradient of half the squared errors and the penalty: ``first``, ``skip`` and ``rest``.

        The first two have one row for each input.
        """
        cdef InputBuffer buffer
        cdef Batch batch = self.batch
        cdef Py_ssize_t i, j
        for buffer, target in zip(buffers, targets, strict=True):
            batch.make_room(buffer.inputs.n)
        for buffer, target in zip(buffers, targets, strict=True):
            batch.add(&buffer.inputs, self.lags_used, self.n_lags, target)
        self._forward()
        for i in range(BATCH):
            batch.slopes[i] = <float>batch.errors[i] if i < batch.n else 0.0
        self._backward()
        self._finish_gradient(batch.n)
        rows = np.zeros((self.slots, self.width), dtype=np.float32)
        for i in range(batch.n_touched):
            for j in range(self.width):
                rows[batch.touched[i], j] = batch.gradient[i * self.width + j]
        batch.clear()
        return {"first": rows[:, : self.h1], "skip": rows[:, self.skip], "rest": np.array(self.scratch)[: self.n_rest]}

    def save(self, Py_ssize_t slots, Py_ssize_t n_values=0):
        """Return the arrays of the network.

        Args:
            slots: Number of slots from 0 on that are saved.
            n_values: Number of slots below 0; they come before the others, the lowest first.
        """
        numbers = [self.power1, self.power2, self.scale, self.count]
        parts = {}
        for name, tables in self._tables(slots, n_values).items():
            for suffix, table in zip(SUFFIXES, tables):
                parts[name + suffix] = table.copy()
        return {
            **parts,
            "numbers": np.array(numbers),
            "counts": np.array([self.oldest, self.n_restarts], dtype=np.int64),
            "agreement": self.agreement.save(),
            "random": np.array([self.random], dtype=np.uint64),
        }

    def _tables(self, Py_ssize_t slots, Py_ssize_t n_values):
        """Return views of the parts of the state by their names."""
        rows = [table[VALUE_SLOTS - n_values : VALUE_SLOTS + slots] for table in self.rows]
        return {
            "first": [table[:, : self.h1] for table in rows],
            "skip": [table[:, self.skip] for table in rows],
            "rest": [table[: self.n_rest] for table in self.rest],
        }

    def restore(self, dict state, Py_ssize_t slots, Py_ssize_t n_values=0):
        """Restore what `save` returned; there is room for as many inputs.

        Raises:
            ValueError: If a shape is wrong, or a number is out of its range.
        """
        numbers, counts = state["numbers"], state["counts"]
        tables = self._tables(slots, n_values)
        for name, parts in tables.items():
            for suffix, table in zip(SUFFIXES, parts):
                array = state[name + suffix]
                if array.shape != table.shape or (np.abs(array) > FLOAT_MAX).any():
                    raise ValueError(f"The state's {name + suffix} must be {table.shape} single-precision numbers.")
        if (len(numbers) != 4 or (numbers < 0.0).any() or (numbers[:2] > 1.0).any() or len(counts) != 2
                or (counts < 0).any() or len(state["random"]) != 1):
            raise ValueError("The state's numbers of a network are out of range.")
        for table in self.rows:
            table[:] = 0.0
        for name, parts in tables.items():
            for suffix, table in zip(SUFFIXES, parts):
                table[:] = state[name + suffix]
        self.power1, self.power2, self.scale, self.count = numbers.tolist()
        self.oldest, self.n_restarts = counts.tolist()
        self.agreement.restore(state["agreement"])
        self.random = int(state["random"][0])


cdef inline Py_ssize_t rounded_up(Py_ssize_t n) noexcept nogil:
    """Return the next multiple of eight: the kernels know no rest."""
    return (n + 7) // 8 * 8


cdef inline void rectify(double* a, Py_ssize_t n) noexcept nogil:
    """Replace negative values and NaN by zero."""
    cdef Py_ssize_t i
    for i in range(n):
        a[i] = a[i] if a[i] > 0.0 else 0.0

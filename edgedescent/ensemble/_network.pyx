"""Small network of an ensemble, in single precision.

::

    a₁ = relu(W₁ z + b₁)
    a₂ = relu(W₂ a₁ + b₂)               where there is a second layer
    f  = b + u · z + v · a

Predictions are those of the averages of the weights over the last steps, which tremble less (Polyak and Juditsky 1992).

It is `edgedescent.MLPRegressor` with what an ensemble does not need left out: single precision, Adam only, and a ring of
events that all networks share. Single precision takes a fifth of the time where the processor has AVX2.
"""
from math import prod

import numpy as np

from libc.math cimport fabs, isfinite, sqrt
from libc.stdint cimport uint64_t

from edgedescent.numerics._agreement cimport KEPT, Agreement
from edgedescent.numerics._kernels cimport f32_adam, f32_add_scaled, f32_average, f32_dot, f32_gradient, f64_add_scaled, f64_dot
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
cdef float REST1 = 0.1
cdef float REST2 = 0.001
cdef float EPS = 1e-8
cdef float LIMIT = 1e8

# Rate at which the averages of the weights follow, per step.
cdef float AVERAGE = 0.008

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
    """

    def __init__(self, Py_ssize_t n_lags, Py_ssize_t lags_used, tuple hidden, double rate, double decay,
                 Py_ssize_t replay_steps, Py_ssize_t replay_size, uint64_t seed):
        self.n_lags, self.lags_used, self.hidden = n_lags, lags_used, hidden
        self.h1, self.h2 = hidden[0], hidden[1] if len(hidden) > 1 else 0
        self.rate, self.decay = rate, <float>decay
        self.replay_steps, self.replay_size, self.seed = replay_steps, replay_size, seed
        self.n_rest = self.h1 + 1 if self.h2 == 0 else (self.h1 + 1) * self.h2 + self.h2 + 1
        self.first, self.skip, self.rest = [], [], []
        self.slots = self.room = 0
        cdef float[::1] scratch = np.zeros(2 * (self.h1 + self.h2) + self.n_rest, dtype=np.float32)
        cdef double[::1] served = np.zeros(self.h1 + self.h2)
        self.scratch, self.served = scratch, served
        self.served1, self.served2 = &served[0], &served[0] + self.h1
        self.active1 = &scratch[0]
        self.active2 = self.active1 + self.h1
        self.delta1 = self.active2 + self.h2
        self.delta2 = self.delta1 + self.h1
        self.g_rest = self.delta2 + self.h2
        self.rest = [np.zeros(self.n_rest, dtype=np.float32) for _ in range(4)]
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
        cdef float[::1] view
        if slots <= self.slots:
            return 0
        first = [np.zeros(slots * self.h1, dtype=np.float32) for _ in range(4)]
        skip = [np.zeros(slots, dtype=np.float32) for _ in range(4)]
        for larger, before in zip(first + skip, self.first + self.skip):
            larger[: len(before)] = before
        self.first, self.skip, self.slots = first, skip, slots
        view = first[0]
        self.w1 = &view[0]
        view = first[1]
        self.w1_mean = &view[0]
        view = first[2]
        self.w1_square = &view[0]
        view = first[3]
        self.w1_average = &view[0]
        view = skip[0]
        self.u = &view[0]
        view = skip[1]
        self.u_mean = &view[0]
        view = skip[2]
        self.u_square = &view[0]
        view = skip[3]
        self.u_average = &view[0]
        return 0

    cdef int make_room(self, Py_ssize_t n) except -1:
        """Make room for the gradient of an event of `n` inputs."""
        cdef float[::1] view
        if n <= self.room:
            return 0
        view = self.wide_scratch = np.zeros(n * (self.h1 + 1), dtype=np.float32)
        self.g_skip = &view[0]
        self.g_first = self.g_skip + n
        self.room = n
        return 0

    cdef void start_slot(self, Py_ssize_t slot, uint64_t word, double deviation) noexcept nogil:
        """Draw the first weights of an input from a normal distribution; `word` is their seed."""
        cdef Py_ssize_t i, at = slot * self.h1
        cdef uint64_t random = word ^ self.seed
        for i in range(at, at + self.h1):
            self.w1[i] = self.w1_average[i] = <float>(deviation * next_normal(&random))
            self.w1_mean[i] = self.w1_square[i] = 0.0
        self.u[slot] = self.u_mean[slot] = self.u_square[slot] = self.u_average[slot] = 0.0

    cdef double forward(self, const Inputs* inputs) noexcept nogil:
        """Return the output for the inputs of an event, by the weights that are learned; fills the activations."""
        cdef Py_ssize_t h = self.h1, i, j
        cdef float* a = self.active1
        cdef const float* v = self.v
        cdef double total = 0.0
        for j in range(h):
            a[j] = 0.0
        for i in range(inputs.n):
            if (i < self.lags_used or i >= self.n_lags) and inputs.z[i] != 0.0:
                f32_add_scaled(a, self.w1 + inputs.slots[i] * h, inputs.z[i], h)
                total += self.u[inputs.slots[i]] * inputs.z[i]
        rectify(a, h)
        if self.h2:
            h = self.h2
            for j in range(h):
                self.active2[j] = v[j]
            for i in range(self.h1):
                if a[i] != 0.0:
                    f32_add_scaled(self.active2, v + (i + 1) * h, a[i], h)
            a = self.active2
            rectify(a, h)
            v += (self.h1 + 1) * h
        return total + v[0] + f32_dot(v + 1, a, h)

    cdef double serve(self, const Inputs* inputs) noexcept nogil:
        """Return the output for the inputs of an event, by the averages of the weights.

        In double precision: the trees that take the mixture as an input need the same prediction from an exported file,
        which sums in another order.
        """
        cdef Py_ssize_t h = self.h1, i, j
        cdef double* a = self.served1
        cdef const float* v = self.v_average
        cdef double total = 0.0
        for j in range(h):
            a[j] = 0.0
        for i in range(inputs.n):
            if (i < self.lags_used or i >= self.n_lags) and inputs.exact[i] != 0.0:
                f64_add_scaled(a, self.w1_average + inputs.slots[i] * h, inputs.exact[i], h)
                total += self.u_average[inputs.slots[i]] * inputs.exact[i]
        if self.h2:
            h = self.h2
            for j in range(h):
                self.served2[j] = v[j]
            for i in range(self.h1):
                if a[i] > 0.0:
                    f64_add_scaled(self.served2, v + (i + 1) * h, a[i], h)
            a = self.served2
            v += (self.h1 + 1) * h
        for j in range(h):
            a[j] = a[j] if a[j] > 0.0 else 0.0
        return total + v[0] + f64_dot(v + 1, a, h)

    cdef double _slope(self, double error) noexcept nogil:
        """Derivative of the loss with respect to the output."""
        cdef double limit = CLIP * self.scale
        if self.count <= 10.0 or limit <= 0.0:
            return error
        error = error if error < limit else limit
        return error if error > -limit else -limit

    cdef double _backward(self, const Inputs* inputs, double slope) noexcept nogil:
        """Compute the gradient, with its penalty; returns its squared norm. `forward` was called for the inputs before."""
        cdef Py_ssize_t h = self.h2 if self.h2 else self.h1, i, j, slot
        cdef Py_ssize_t output = self.n_rest - h - 1
        cdef float* a = self.active2 if self.h2 else self.active1
        cdef float* delta = self.delta2 if self.h2 else self.delta1
        cdef float* g = self.g_rest
        cdef const float* v = self.v + output + 1
        cdef double squares = slope * slope
        cdef float s = <float>slope
        g[output] = s
        squares += f32_gradient(g + output + 1, a, v, s, self.decay, h)
        for j in range(h):
            delta[j] = s * v[j] if a[j] > 0.0 else 0.0
        if self.h2:
            for j in range(h):
                g[j] = self.delta2[j]
                squares += g[j] * g[j]
            for i in range(self.h1):
                v = self.v + (i + 1) * h
                self.delta1[i] = f32_dot(v, self.delta2, h) if self.active1[i] > 0.0 else 0.0
                squares += f32_gradient(g + (i + 1) * h, self.delta2, v, self.active1[i], self.decay, h)
        h = self.h1
        for i in range(inputs.n):
            if i < self.lags_used or i >= self.n_lags:
                slot = inputs.slots[i]
                squares += f32_gradient(
                    self.g_first + i * h, self.delta1, self.w1 + slot * h, inputs.z[i], self.decay, h)
                self.g_skip[i] = s * inputs.z[i] + self.decay * self.u[slot]
                squares += self.g_skip[i] * self.g_skip[i]
        return squares

    cdef void _step(self, const Inputs* inputs, double slope) noexcept nogil:
        """Take one step of Adam; `forward` was called for the same inputs before."""
        cdef double squares = self._backward(inputs, slope)
        cdef float scale = 1.0, rate, inverse_bias
        cdef Py_ssize_t h = self.h1, n = inputs.n, i, slot, at
        if not isfinite(squares):
            return
        if squares > GRADIENT_NORM_MAX * GRADIENT_NORM_MAX:
            scale = <float>(GRADIENT_NORM_MAX / sqrt(squares))
        self.power1 *= 0.9
        self.power2 *= 0.999
        rate = <float>(self.rate * (WIDE / n if n > WIDE else 1.0) / (1.0 - self.power1))
        inverse_bias = <float>(1.0 / (1.0 - self.power2))
        f32_adam(self.v, self.v_mean, self.v_square, self.g_rest, scale, rate, inverse_bias, REST1, REST2, EPS, LIMIT,
                 self.n_rest)
        for i in range(n):
            if i < self.lags_used or i >= self.n_lags:
                slot = inputs.slots[i]
                at = slot * h
                f32_adam(self.w1 + at, self.w1_mean + at, self.w1_square + at, self.g_first + i * h, scale, rate,
                         inverse_bias, REST1, REST2, EPS, LIMIT, h)
                f32_adam(self.u + slot, self.u_mean + slot, self.u_square + slot, self.g_skip + i, scale, rate,
                         inverse_bias, REST1, REST2, EPS, LIMIT, 1)
                f32_average(self.w1_average + at, self.w1 + at, AVERAGE, h)
                f32_average(self.u_average + slot, self.u + slot, AVERAGE, 1)
        f32_average(self.v_average, self.v, AVERAGE, self.n_rest)

    cdef void learn(self, const Inputs* inputs, double target) noexcept nogil:
        """Take one step on a new event."""
        cdef double error = self.forward(inputs) - target, size = fabs(error), rate
        if not isfinite(error):
            # A weight overflowed: begin anew rather than stay broken.
            self._restart(inputs.n)
            return
        self.count += 1.0
        rate = 1.0 / self.count
        self._step(inputs, self._slope(error))
        self.agreement.observe_new(size)
        if self.count > 10.0 and size > 5.0 * self.scale:
            size = 5.0 * self.scale
        self.scale += (rate if rate > SCALE_RATE else SCALE_RATE) * (size - self.scale)

    cdef double replay_one(self, const Inputs* inputs, double target) noexcept nogil:
        """Take one step on an event that was drawn from the ring; returns its absolute error before."""
        cdef double error = self.forward(inputs) - target
        if not isfinite(error):
            return 0.0
        self._step(inputs, self._slope(error))
        self.replayed_errors += fabs(error)
        self.n_replayed += 1
        return fabs(error)

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

    cdef void compare(self, EventRing ring) noexcept nogil:
        """Let go of the older events where those that were replayed no longer agree with new ones."""
        if self.n_replayed:
            self.agreement.observe_replayed(self.replayed_errors / self.n_replayed)
            self.replayed_errors, self.n_replayed = 0.0, 0
            if self.agreement.let_go() and ring.n_pushed - KEPT > self.oldest:
                self.oldest = ring.n_pushed - KEPT

    cdef void begin_anew(self, EventRing ring) noexcept nogil:
        """Forget how large errors are, and replay none of the events stored until now."""
        self.scale = self.count = 0.0
        self.oldest = ring.n_pushed

    cdef void _restart(self, Py_ssize_t n) noexcept nogil:
        """Begin anew with first weights, of a deviation for events of `n` inputs."""
        cdef Py_ssize_t slot
        self._begin()
        for slot in range(self.slots):
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
        """Take one step on an event; there is room for it."""
        self.make_room(buffer.inputs.n)
        self.learn(&buffer.inputs, target)

    def gradient(self, InputBuffer buffer, double target):
        """Return the gradient of half the squared error and the penalty: ``first``, ``skip`` and ``rest``.

        The first two have one row for each input of the event.
        """
        cdef Py_ssize_t n = buffer.inputs.n
        self.make_room(n)
        self.wide_scratch[:] = 0.0
        self._backward(&buffer.inputs, self.forward(&buffer.inputs) - target)
        g = np.array(self.wide_scratch)
        rest = np.array(self.scratch)[2 * (self.h1 + self.h2):]
        at = self.room
        return {"first": g[at: at + n * self.h1].reshape(n, self.h1), "skip": g[:n], "rest": rest}

    def save(self, Py_ssize_t slots):
        """Return the arrays of the network, those of the inputs for the first `slots` of these."""
        numbers = [self.power1, self.power2, self.scale, self.count]
        parts = {}
        for name, arrays, shape in (("first", self.first, (slots, self.h1)), ("skip", self.skip, (slots,)),
                                    ("rest", self.rest, (self.n_rest,))):
            for slot, array in zip(SUFFIXES, arrays):
                parts[name + slot] = array[: prod(shape)].reshape(shape).astype(np.float64)
        return {
            **parts,
            "numbers": np.array(numbers),
            "counts": np.array([self.oldest, self.n_restarts], dtype=np.int64),
            "agreement": self.agreement.save(),
            "random": np.array([self.random], dtype=np.uint64),
        }

    def restore(self, dict state, Py_ssize_t slots):
        """Restore what `save` returned; there is room for as many inputs.

        Raises:
            ValueError: If a shape is wrong, or a number is out of its range.
        """
        numbers, counts = state["numbers"], state["counts"]
        shapes = (("first", self.first, (slots, self.h1)), ("skip", self.skip, (slots,)), ("rest", self.rest, (self.n_rest,)))
        for name, _, shape in shapes:
            for slot in SUFFIXES:
                array = state[name + slot]
                if array.shape != shape or (np.abs(array) > FLOAT_MAX).any():
                    raise ValueError(f"The state's {name + slot} must be {shape} single-precision numbers.")
        if (len(numbers) != 4 or (numbers < 0.0).any() or (numbers[:2] > 1.0).any() or len(counts) != 2
                or (counts < 0).any() or len(state["random"]) != 1):
            raise ValueError("The state's numbers of a network are out of range.")
        for name, arrays, shape in shapes:
            for slot, array in zip(SUFFIXES, arrays):
                array[:] = 0.0
                array[: prod(shape)] = state[name + slot].ravel()
        self.power1, self.power2, self.scale, self.count = numbers.tolist()
        self.oldest, self.n_restarts = counts.tolist()
        self.agreement.restore(state["agreement"])
        self.random = int(state["random"][0])


cdef inline void rectify(float* a, Py_ssize_t n) noexcept nogil:
    """Replace negative values and NaN by zero."""
    cdef Py_ssize_t i
    for i in range(n):
        a[i] = a[i] if a[i] > 0.0 else 0.0

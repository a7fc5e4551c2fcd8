"""Run of a drift detector over a stream of numbers."""
import numpy as np

from libc.string cimport memset

from edgedescent.drift._adwin cimport adwin, adwin_is_valid
from edgedescent.drift._kswin cimport kswin, kswin_critical, kswin_is_valid
from edgedescent.drift._page_hinkley cimport page_hinkley, page_hinkley_is_valid
from edgedescent.numerics._numbers cimport is_sane, to_number


cdef Rule make_rule(object detector) except *:
    """Return the C functions of a detector; those of one that is written in Python are NULL.

    Raises:
        ValueError: If its `rule` is not a compiled test.
    """
    cdef Rule rule
    cdef int i
    cdef str name = detector.rule
    cdef tuple hyper = detector.hyper
    rule.update, rule.update_many, rule.is_valid, rule.derived = NULL, NULL, NULL, 0.0
    for i in range(8):
        rule.hyper[i] = hyper[i] if i < len(hyper) else 0.0
    if name == "adwin":
        rule.update_many, rule.is_valid = adwin, adwin_is_valid
    elif name == "page_hinkley":
        rule.update, rule.is_valid = page_hinkley, page_hinkley_is_valid
    elif name == "kswin":
        rule.update, rule.is_valid = kswin, kswin_is_valid
        rule.derived = kswin_critical(rule.hyper[0], <Py_ssize_t>rule.hyper[2])
    elif name != "python":
        raise ValueError(f"There is no compiled detector named {name!r}.")
    return rule


cdef class Detection:
    """Run of a drift detector over one stream of numbers.

    Args:
        detector: The detector.

    Attributes:
        detector: The detector.
        drift_detected: True if the last number raised an alarm.

    Example:
        >>> from edgedescent.drift import PageHinkley
        >>> detection = Detection(PageHinkley(threshold=1.0))
        >>> [detection.update(x) for x in [0.0] * 40 + [1.0] * 2].index(True)
        41
    """

    def __init__(self, detector):
        cdef double[::1] view
        self.detector = detector
        self.n_numbers = detector.n_numbers
        if self.n_numbers < 1:
            raise ValueError(f"{type(detector).__name__} must keep at least one number. Got {self.n_numbers}.")
        view = self.array = np.zeros(self.n_numbers)
        self.numbers = &view[0]
        self.rule = make_rule(detector)
        self.drift_detected = False

    cdef bint push(self, const double* values, Py_ssize_t n) except -1:
        """Take in numbers between -1e100 and 1e100; returns True at the first alarm, without those behind it."""
        cdef Py_ssize_t i = 0
        self.drift_detected = False
        if self.rule.update_many != NULL:
            self.drift_detected = self.rule.update_many(&self.rule, self.numbers, values, n)
            i = n
        while i < n and not self.drift_detected:
            if self.rule.update != NULL:
                self.drift_detected = self.rule.update(&self.rule, self.numbers, values[i])
            else:
                self.drift_detected = self.detector.update(self.array, values[i])
            i += 1
        if self.drift_detected:
            memset(self.numbers, 0, self.n_numbers * sizeof(double))
        return self.drift_detected

    cdef int clear(self) except -1:
        """Forget the stream."""
        memset(self.numbers, 0, self.n_numbers * sizeof(double))
        self.drift_detected = False
        return 0

    def update(self, x):
        """Take in the next number of the stream; returns True for an alarm.

        Args:
            x: The number.

        Raises:
            ValueError: If it is not a number between -1e100 and 1e100. The state then stays as it is.
        """
        cdef double number = to_number("The value of a detector", x)
        if not is_sane(number):
            raise ValueError(f"The value of a detector must be a number between -1e100 and 1e100. Got {x!r:.80}.")
        return self.push(&number, 1)

    def save(self):
        """Return what is kept of the stream, shape (n_numbers + 1,): the last one is 1 behind an alarm."""
        return np.append(self.array, 1.0 if self.drift_detected else 0.0)

    def restore(self, numbers):
        """Restore what `save` returned.

        Raises:
            ValueError: If no run of this detector can have saved it; the state then stays as it is.
        """
        cdef double[::1] view
        name = type(self.detector).__name__
        if numbers.shape != (self.n_numbers + 1,) or numbers.dtype != np.float64:
            raise ValueError(
                f"A state of {name} must be {self.n_numbers + 1} numbers. Got {numbers.dtype} of shape {numbers.shape}.")
        copy = np.array(numbers)
        view = copy
        # A comparison with NaN is false.
        if (not (abs(copy) <= 1e300).all() or copy[-1] not in (0.0, 1.0)
                or (self.rule.is_valid != NULL and not self.rule.is_valid(&self.rule, &view[0]))):
            raise ValueError(f"A state of {name} holds numbers that cannot be: {numbers!r:.200}.")
        self.array[:] = copy[:-1]
        self.drift_detected = copy[-1] == 1.0

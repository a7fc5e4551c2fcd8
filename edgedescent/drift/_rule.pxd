"""Test for change as C functions on the numbers that it keeps."""


cdef struct Rule:
    # Takes in a number; returns True for an alarm.
    bint (*update)(const Rule* rule, double* numbers, double x) noexcept nogil
    # Does so with several, up to the first alarm, for a test that is faster then; else NULL.
    bint (*update_many)(const Rule* rule, double* numbers, const double* values, Py_ssize_t n) noexcept nogil
    # True for numbers that `update` can have left.
    bint (*is_valid)(const Rule* rule, const double* numbers) noexcept nogil
    double hyper[8]
    # What follows from the hyper-parameters and takes long to compute.
    double derived

"""Monitor of the prediction error and the inputs."""
from edgedescent.drift._watch cimport Watch
from edgedescent.features._encoder cimport Encoder

cdef class DriftMonitor:
    cdef readonly object detector
    cdef readonly Py_ssize_t inputs_max
    # None where the error is not watched.
    cdef readonly Watch error
    cdef list watches
    cdef dict by_name
    # The vocabulary's version for which the rows of the watches hold.
    cdef long long version
    # Changes that were found since the last call of `take`.
    cdef readonly list raised
    cdef list latest

    cdef int note_error(self, double target, double prediction, long long number) except -1
    cdef int note_encoded(self, Encoder encoder, long long number) except -1
    cdef int note_features(self, object x, long long number) except -1
    cdef int _find_rows(self, Encoder encoder) except -1
    cdef int _adopt_encoded(self, Encoder encoder, long long number) except -1
    cdef int _note(self, Watch watch, double value, long long number) except -1

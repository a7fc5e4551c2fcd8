"""Members of an ensemble that learn: recursive least squares and networks."""
from edgedescent.ensemble._inputs cimport Inputs
from edgedescent.ensemble._least_squares cimport LeastSquares
from edgedescent.ensemble._member cimport Member
from edgedescent.ensemble._network cimport Network

cdef class LeastSquaresMember(Member):
    cdef readonly LeastSquares model
    cdef Py_ssize_t intercept

cdef class NetworkMember(Member):
    cdef readonly Network model

    cdef Inputs _taken(self, const Inputs* inputs) noexcept nogil

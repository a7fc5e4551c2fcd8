from edgedescent.losses._losses cimport Loss
from edgedescent.optim._parameter_table cimport ParameterTable, Table
from edgedescent.optim._rules cimport Context
from edgedescent.optim._schedules cimport Schedule

# Gradient of one run of parameters: g[0 : n] belongs to w[at : at + n].
cdef struct Piece:
    Table* table
    Py_ssize_t at
    Py_ssize_t n
    double* g
    # True if penalties and weight decay apply.
    bint penalized

cdef class Stepper:
    cdef readonly object optimizer
    cdef Context context
    cdef Schedule schedule
    cdef double lr
    cdef double clip_value
    cdef double clip_norm
    cdef double average_rate
    cdef double l1
    # Weight of an L2 penalty that is not part of the gradients; see `_shrink`.
    cdef double l2
    cdef double steps
    cdef readonly long long n_undone
    cdef Piece* pieces
    cdef Py_ssize_t n_pieces
    cdef Py_ssize_t room
    cdef double* saved
    cdef Py_ssize_t saved_room

    cdef int make_room(self, Py_ssize_t pieces, Py_ssize_t longest) except -1
    cdef void add(self, Table* table, Py_ssize_t at, Py_ssize_t n, double* g, bint penalized) noexcept nogil
    cdef void step(self, double slope, const Loss* loss, double target, double score, double share) noexcept nogil
    cdef void _set_context(self, double slope, const Loss* loss, double target, double score,
                           double share) noexcept nogil
    cdef void _step_piece(self, Piece* piece) noexcept nogil
    cdef void _shrink(self, double* w, const double* variance, Py_ssize_t n) noexcept nogil
    cdef void learned(self, const Loss* loss, double target, double score) noexcept nogil
    cdef int check(self) except -1

from cython cimport final

from edgedescent.losses._losses cimport Loss
from edgedescent.numerics._numbers cimport bounded
from edgedescent.optim._parameter_table cimport ParameterTable, Table
from edgedescent.optim._rules cimport Context
from edgedescent.optim._schedules cimport Schedule, watch

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
    # True if no penalty and no rule tells intercepts from weights, so that adjacent runs of both take one step.
    cdef bint joins
    cdef double steps
    cdef readonly long long n_undone
    cdef Piece* pieces
    cdef Py_ssize_t n_pieces
    cdef Py_ssize_t room
    cdef double* saved
    cdef Py_ssize_t saved_room

    cdef int make_room(self, Py_ssize_t pieces, Py_ssize_t longest) except -1
    @final
    cdef inline void add(self, Table* table, Py_ssize_t at, Py_ssize_t n, double* g, bint penalized) noexcept nogil:
        """Add the gradient of one run of parameters to the next step; it continues the run before where it can."""
        cdef Piece* last
        if self.joins and self.n_pieces:
            last = &self.pieces[self.n_pieces - 1]
            if last.table == table and last.at + last.n == at and last.g + last.n == g:
                last.n += n
                return
        self.pieces[self.n_pieces] = Piece(table, at, n, g, penalized)
        self.n_pieces += 1

    cdef void step(self, double slope, const Loss* loss, double target, double score, double share) noexcept nogil
    @final
    cdef void _set_context(self, double slope, const Loss* loss, double target, double score,
                           double share) noexcept nogil
    @final
    cdef void _step_piece(self, Piece* piece) noexcept nogil
    @final
    cdef void _shrink(self, double* w, const double* variance, Py_ssize_t n) noexcept nogil
    @final
    cdef inline void learned(self, const Loss* loss, double target, double score) noexcept nogil:
        """Update a schedule that depends on the loss with the loss of the event."""
        if self.schedule.watches:
            watch(&self.schedule, bounded(loss.value(loss, target, score)))

    cdef int check(self) except -1

"""The rule of an optimizer: how one gradient step changes a run of parameters."""

cdef enum:
    HYPER_MAX = 8
    SLOTS_MAX = 4

# Steps the parameters w[at : at + n] by the gradient g[0 : n]. Slots are arrays as long as w, zero at first.
ctypedef void (*Step)(const Rule* rule, double* w, const double* g, Py_ssize_t at, Py_ssize_t n) noexcept nogil

cdef struct Rule:
    Step step
    int n_slots
    double hyper[HYPER_MAX]
    double* slot[SLOTS_MAX]

cdef Rule make_rule(str name, tuple hyper) except *

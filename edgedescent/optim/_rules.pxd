"""The rule of an optimizer: how one gradient changes a run of parameters."""
from cpython.object cimport PyObject

from edgedescent.losses._losses cimport Loss

cdef enum:
    HYPER_MAX = 8
    SLOTS_MAX = 8

# What a rule may know of an event beside the gradient.
cdef struct Context:
    double lr
    # The derivative of the loss by the score. Divided by it, a gradient is the score's own derivative by the parameters:
    # for a linear model, the features.
    double slope
    const Loss* loss
    double target
    double score
    # Σ g² over all parameters that the event touches.
    double square_sum
    # A sum over the event's parameters that a rule's look ahead may leave for its steps.
    double sum
    # Running totals over all events, for rules that normalize globally; part of the state.
    double totals[2]
    # Whether weight decay applies: it spares intercepts and biases.
    bint decays
    # What an optimizer written in Python raised first, to be raised again once the event is learned.
    PyObject* error

# Steps w[at : at + n] by the gradient g[0 : n]. Slots are arrays as long as w, zero at first.
ctypedef void (*Step)(const Rule* rule, const Context* context, double* w, const double* g, Py_ssize_t at,
                      Py_ssize_t n) noexcept nogil
# Looks at a gradient before any parameter of the event is stepped, to update the totals.
ctypedef void (*Prepare)(const Rule* rule, Context* context, double* w, const double* g, Py_ssize_t at,
                         Py_ssize_t n) noexcept nogil

cdef struct Rule:
    Step step
    Prepare prepare
    # The step that mini-batches make of their averaged gradients.
    Step inner
    int n_slots
    int n_inner_slots
    double batch
    # The `step` method of an optimizer written in Python; whoever owns the rule keeps it alive.
    PyObject* method
    double hyper[HYPER_MAX]
    double* slot[SLOTS_MAX]

cdef Rule make_rule(str name, tuple hyper, int n_slots, Py_ssize_t batch, object method) except *

"""Step rules of the optimizers: types shared by all rules, and `make_rule`."""
from cpython.object cimport PyObject

from edgedescent.losses._losses cimport Loss
from edgedescent.optim._covariance cimport Covariance

cdef enum:
    HYPER_MAX = 8
    SLOTS_MAX = 8

# Data of an event that a rule can use besides the gradient.
cdef struct Context:
    double lr
    # Derivative of the loss with respect to the score. A gradient divided by it is the derivative of the score with
    # respect to the parameters: for a linear model, the features.
    double slope
    const Loss* loss
    double target
    double score
    # Σ g² over all parameters with a gradient in this event.
    double square_sum
    # Sum over the event's parameters, computed by a rule's `prepare` for its `step`; 0 before each event.
    double sum
    # Running totals over all events, for rules with a global normalization; saved with the state.
    double totals[2]
    # True if weight decay applies: it does not to intercepts and biases.
    bint decays
    # True if gradients include the gradient of an L2 penalty.
    bint penalized
    # First exception raised by an optimizer or a loss written in Python; `Stepper.check` raises it after the event.
    PyObject* error

# Updates w[at : at + n] with the gradient g[0 : n]. Slots are as long as w and zero at first.
ctypedef void (*Step)(const Rule* rule, const Context* context, double* w, const double* g, Py_ssize_t at,
                      Py_ssize_t n) noexcept nogil
# Updates the totals and sums of the context from a gradient, before any parameter of the event is updated.
ctypedef void (*Prepare)(const Rule* rule, Context* context, double* w, const double* g, Py_ssize_t at,
                         Py_ssize_t n) noexcept nogil

cdef struct Rule:
    Step step
    Prepare prepare
    # Step function that a mini-batch calls with its averaged gradient; NULL without mini-batches.
    Step inner
    int n_slots
    int n_inner_slots
    double batch
    # Method `step` of an optimizer written in Python: a borrowed reference, which the owner of the rule keeps alive.
    PyObject* method
    double hyper[HYPER_MAX]
    double* slot[SLOTS_MAX]
    # Covariance of the table's parameters; NULL for a rule without one.
    Covariance* covariance

cdef Rule make_rule(str name, tuple hyper, int n_slots, Py_ssize_t batch, object method) except *

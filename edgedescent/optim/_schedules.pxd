"""Learning-rate schedules as C functions: the factor on the learning rate at each step."""
cdef enum:
    MEMORY = 5

cdef struct Schedule:
    double (*factor)(Schedule* schedule, double t) noexcept nogil
    # True if `watch` must be called with the loss of each event.
    bint watches
    double hyper[4]
    # State of a schedule that depends on the loss; saved with the learner.
    double memory[MEMORY]

cdef Schedule make_schedule(str name, tuple hyper) except *
cdef void watch(Schedule* schedule, double loss) noexcept nogil

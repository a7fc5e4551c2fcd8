"""Learning-rate schedules as C functions: a factor for each step."""

cdef struct Schedule:
    double (*factor)(Schedule* schedule, double t) noexcept nogil
    # Whether `watch` is to be told the loss of each event.
    bint watches
    double hyper[4]
    # What a schedule that watches the loss remembers; part of the state.
    double memory[4]

cdef Schedule make_schedule(str name, tuple hyper) except *
cdef void watch(Schedule* schedule, double loss) noexcept nogil

"""Learning-rate schedules as C functions: a factor for each step."""
cdef enum:
    MEMORY = 5

cdef struct Schedule:
    double (*factor)(Schedule* schedule, double t) noexcept nogil
    # Whether `watch` is to be told the loss of each event.
    bint watches
    double hyper[4]
    # What a schedule that watches the loss remembers; part of the state.
    double memory[MEMORY]

cdef Schedule make_schedule(str name, tuple hyper) except *
cdef void watch(Schedule* schedule, double loss) noexcept nogil

"""Learning-rate schedules, one C function each; ``edgedescent.optim.schedules`` has the equations and sources."""
from libc.math cimport cos, expm1, fabs, floor, log, log1p, pow


cdef double constant(Schedule* schedule, double t) noexcept nogil:
    return 1.0


cdef double inverse_scaling(Schedule* schedule, double t) noexcept nogil:
    return pow(1.0 + t / schedule.hyper[1], -schedule.hyper[0])


cdef double stepwise(Schedule* schedule, double t) noexcept nogil:
    return pow(schedule.hyper[1], floor(t / schedule.hyper[0]))


cdef double cosine(Schedule* schedule, double t) noexcept nogil:
    cdef double period = schedule.hyper[0], growth = schedule.hyper[1], least = schedule.hyper[2], cycle, start
    if growth > 1.0:
        # Cycle c begins at period (growth^c - 1) / (growth - 1).
        cycle = floor(log1p(t * (growth - 1.0) / period) / log(growth) + 1e-9)
        start = period * expm1(cycle * log(growth)) / (growth - 1.0)
        period *= pow(growth, cycle)
    else:
        start = period * floor(t / period)
    return least + (1.0 - least) * 0.5 * (1.0 + cos(3.141592653589793 * (t - start) / period))


cdef double plateau(Schedule* schedule, double t) noexcept nogil:
    # memory: [0] factor - 1, [1] mean loss of the current window, [2] number of its events, [3] mean loss of the best
    # window, [4] 1 if there is a best window. All are 0 at the start.
    return 1.0 + schedule.memory[0]


cdef void watch(Schedule* schedule, double loss) noexcept nogil:
    """Update the state of a plateau schedule with the loss of an event."""
    cdef double window = schedule.hyper[0], cut = schedule.hyper[1], needed = schedule.hyper[2]
    cdef double least = schedule.hyper[3], factor
    cdef double* memory = schedule.memory
    memory[2] += 1.0
    memory[1] += (loss - memory[1]) / memory[2]
    if memory[2] < window:
        return
    # fabs, because losses can be negative, for example the Poisson loss.
    if memory[4] == 0.0 or memory[1] < memory[3] - needed * fabs(memory[3]):
        memory[3], memory[4] = memory[1], 1.0
    else:
        factor = (1.0 + memory[0]) * cut
        memory[0] = (factor if factor > least else least) - 1.0
    memory[1] = memory[2] = 0.0


cdef Schedule make_schedule(str name, tuple hyper) except *:
    """Make the compiled schedule `name` with its hyper-parameters; raises ValueError for an unknown name."""
    cdef Schedule schedule
    cdef int i
    schedule.watches = False
    if name == "constant":
        schedule.factor = constant
    elif name == "inverse_scaling":
        schedule.factor = inverse_scaling
    elif name == "stepwise":
        schedule.factor = stepwise
    elif name == "cosine":
        schedule.factor = cosine
    elif name == "plateau":
        schedule.factor, schedule.watches = plateau, True
    else:
        raise ValueError(f"There is no compiled schedule named {name!r}.")
    for i in range(4):
        schedule.hyper[i] = hyper[i] if i < len(hyper) else 0.0
    for i in range(MEMORY):
        schedule.memory[i] = 0.0
    return schedule


def factors(str name, tuple hyper, losses):
    """Return the factor of each step of a sequence, given the loss at each step."""
    cdef Schedule schedule = make_schedule(name, hyper)
    result = []
    for t, loss in enumerate(losses):
        result.append(schedule.factor(&schedule, t))
        if schedule.watches:
            watch(&schedule, loss)
    return result

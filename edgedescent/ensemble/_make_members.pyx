"""Members of an ensemble, made as their specification says."""
from edgedescent.ensemble._forecasts cimport Forecasts
from edgedescent.ensemble._least_squares cimport LeastSquares
from edgedescent.ensemble._member cimport Member
from edgedescent.ensemble._members cimport LeastSquaresMember, NetworkMember
from edgedescent.ensemble._neighbours cimport Neighbours
from edgedescent.ensemble._network cimport Network

cdef enum:
    # Inputs that share the matrix of a least-squares member, and those that count for neighbours.
    DENSE_MAX = 96
    NEIGHBOUR_INPUTS = 64

# Initial variance of the weights of least squares, in squared deviations of the target.
cdef double PRIOR = 100.0


cdef dict make_members(parameters, LabelHistory history, KeyedLabels keyed, Batch batch):
    """Return the chosen members by their names in the state.

    Args:
        parameters: The learner, whose `members` are the specifications.
        history: Latest labels.
        keyed: Last labels by key.
        batch: Scratch of the networks.

    Raises:
        ValueError: If there are too many.
    """
    chosen, seed, size = parameters.members, parameters.seed, parameters.replay_size
    members = {"forecasts": Forecasts(history, keyed)}
    for i, one in enumerate(chosen.squares):
        members[f"squares{i}"] = LeastSquaresMember(
            LeastSquares(DENSE_MAX, one.forgetting, PRIOR), one.on_change, LAGS)
    for i, one in enumerate(chosen.networks):
        network = Network(
            LAGS, one.n_lags, one.hidden, one.rate, one.decay, one.replay_steps, min(size, one.replay_size), seed * 64 + i,
            one.takes_values, batch)
        members[f"network{i}"] = NetworkMember(network, one.on_change)
    if chosen.neighbours:
        members["neighbours"] = Neighbours(size, chosen.neighbours, NEIGHBOUR_INPUTS)
    if len(members) > MEMBERS_MAX:
        raise ValueError(f"An ensemble has at most {MEMBERS_MAX} members. Got {len(members)}.")
    return members


cdef Evolution make_evolution(parameters, dict members):
    """Return the evolution of the networks among the members."""
    cdef Py_ssize_t first = 0
    networks = tuple(member for member in members.values() if isinstance(member, NetworkMember))
    for member in members.values():
        if member is networks[0]:
            break
        first += (<Member>member).n_outputs
    chosen = parameters.members.evolution
    return Evolution(
        networks, first, chosen.generation_events, chosen.first_events, chosen.spread, parameters.replay_size,
        parameters.seed)

"""Co-occurrence in sessions: what is chosen next."""

from __future__ import annotations

from dataclasses import dataclass

from edgedescent.learners.item_neighbours import ItemNeighbours


@dataclass(kw_only=True, eq=False, repr=False)
class SessionCooccurrence(ItemNeighbours):
    """Co-occurrence in sessions: what users chose soon after the user's latest items, and what is popular now.

    ::

        m_hi  <- m_hi + 0.7^d                          i is chosen by a user whose d-th latest item is h, d = 0, …, 4
        x_i   = Σ over the p-th latest items h of the user: 0.8^p m_hi / (m_h + shrinkage)
        score = log(c_i + 0.05) + log(1 + 50 x_i)

    Unlike in `ItemNeighbours`, the order counts: what followed h, not what came with it. The counts forget with a
    horizon of 6,000 events. m_h is the sum of all m_hi, c the popularity of `DecayedPopularity`.

    Users and items can appear at any time. Ids are strings; an integer is the same id as its decimal digits.

    Raises:
        ValueError: If a parameter is out of its range, an id is neither a string nor an integer, or `y` is not a
            number. A rejected event changes nothing.

    Example:
        >>> from edgedescent import SessionCooccurrence
        >>> ranker = SessionCooccurrence()
        >>> for i in range(100):
        ...     for page in ("start", "prices", "order"):
        ...         ranker.learn_one(f"visitor-{i}", page)
        >>> ranker.learn_one("ann", "start")
        >>> ranker.recommend("ann", k=1, exclude_seen=True)
        ['prices']

    References:
        Jannach and Ludewig 2017, "When recurrent neural networks meet the neighborhood for session-based
        recommendation", RecSys: sequential rules.
    """

    def first_weights(self) -> tuple[float, ...]:
        """Return the weights to begin with: of each popularity, the age and the sparse features."""
        return (1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0)

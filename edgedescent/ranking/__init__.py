"""Tables of the rankers: popularity that forgets, bounded neighbour lists, users' habits, weights of a choice model."""

"""Peers: baselines and learners of other libraries, for comparison in the same run."""

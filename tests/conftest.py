"""What all tests share: how hypothesis searches, and how it tells what it found."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# A failure prints the smallest example and a line that replays it. No deadline, because machines differ; the whole
# suite has a time limit of its own.
settings.register_profile(
    "project",
    deadline=None,
    max_examples=40,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("project")

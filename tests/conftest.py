"""Hypothesis profile of all tests; rounds and seeds of fault injection."""

from __future__ import annotations

import gc
import os
import random
import signal
import time
from collections.abc import Iterator

import pytest
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


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("fault injection")
    group.addoption("--torture", action="store_true", help="run as many rounds as a release needs, instead of a few")
    group.addoption("--rounds", type=int, metavar="N", help="number of rounds, instead of what each test would take")
    group.addoption("--seed", type=int, metavar="N", help="seed that a failed test printed; drawn anew by default")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Two workers more than processors: the tests of the daemon wait for processes a good part of their time."""
    return (os.cpu_count() or 1) + 2


def pytest_configure(config: pytest.Config) -> None:
    # A process begun by `nohup` ignores it, and so would the daemons that tests start and send it to.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    # Hundreds of processes import the same modules: compiled once, not by each of them.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    config.addinivalue_line("markers", "rounds(quick, long): how often a fault is injected, as a rule and by --torture")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with tests of whole processes: a long one that began last would keep the other processors waiting."""
    items.sort(key=lambda item: "system" not in item.path.parts)


def pytest_collection_finish() -> None:
    # Ten thousand tests and all libraries stay to the end: no collection of garbage has to look at them.
    gc.freeze()


class Rounds:
    """Iterates over the rounds of a test and prints its progress."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __iter__(self) -> Iterator[int]:
        started = time.monotonic()
        for done in range(self.count):
            yield done
            if (done + 1) % -(-self.count // 20) == 0 or done + 1 == self.count:
                print(f"  round {done + 1} of {self.count}, {time.monotonic() - started:.0f} s", flush=True)


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> Rounds:
    """Rounds of fault injection: the number that the test's marker gives, or --rounds."""
    marker = request.node.get_closest_marker("rounds")
    assert marker is not None, "the test needs a marker: @pytest.mark.rounds(quick=…, long=…)"
    given: int | None = request.config.getoption("rounds")
    return Rounds(given or marker.kwargs["long" if request.config.getoption("torture") else "quick"])


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    """Random numbers from a seed that a failed test prints."""
    given: int | None = request.config.getoption("seed")
    seed = random.randrange(2**32) if given is None else given
    print(f"repeat with: make torture ARGS='{request.node.nodeid} --seed {seed}'")
    return random.Random(seed)

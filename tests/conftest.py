"""Hypothesis profile of all tests; rounds and seeds of fault injection."""

from __future__ import annotations

import gc
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

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


LONGEST_FIRST = (
    "test_scenario_library.py",
    "test_simulators_page.py",
    "test_sweep.py",
    "test_daemon_hostile.py",
    "test_walk_through.py",
    "test_daemon_damage.py",
    "test_daemon_slices.py",
    "test_daemon_snapshots.py",
    "test_daemon_river.py",
    "test_replay_scenario.py",
)
"""Files of tests of whole processes that take longest: begun last, one would keep the other processors waiting."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with tests of whole processes, in half of the processes of pytest-xdist.

    Those tests wait a good part of their time; the others, which compute all the time, run meanwhile. Each process
    gets an equal part of the list, and one that is done steals from the end of another's.
    """
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    waiting = sorted((path for path in files if "system" in path.parts), key=_by_length)
    computing = [item for path, own in files.items() if "system" not in path.parts for item in own]
    n_workers = getattr(config, "workerinput", {}).get("workercount", 1)
    n_lists = -(-n_workers // 2)
    share = len(items) // n_workers
    items.clear()
    for place in range(n_lists):
        own = [item for path in waiting[place::n_lists] for item in files[path]]
        room = max(0, share - len(own))
        items += own + computing[:room]
        del computing[:room]
    items += computing


def _by_length(path: Path) -> int:
    return LONGEST_FIRST.index(path.name) if path.name in LONGEST_FIRST else len(LONGEST_FIRST)


def pytest_collection_finish() -> None:
    # Ten thousand tests and all libraries stay to the end: no collection of garbage has to look at them. What tests
    # make is mostly gone by itself, so that looking for cycles after each 700 objects finds nothing.
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


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

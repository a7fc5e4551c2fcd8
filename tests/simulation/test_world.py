"""The simulated world: a sample without a violation, and its determinism."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys

import pytest

from edgedescent_world import simulate, soak
from edgedescent_world.chance import CRASH_POINTS
from edgedescent_world.soak import command

WORLDS = 25
"""In each part of the sample, so that the parts can run beside each other."""
LEAST = {
    "messages": 50,
    "journaled": 30,
    "learned": 30,
    "lost_by_broker": 5,
    "runs": 4,
    "kills": 1,
    "power_cuts": 1,
    "failures": 1,
    "stops": 0.5,
    "in_order": 0.02,
    "folders_lost": 0.02,
    "cut_messages": 0.0,
    "reconfigured": 0.3,
    "refiltered": 0.1,
    "surplus": 0.2,
}
"""How much must happen in a world, on average over a part of the sample."""
EVENTS = [
    "disk: full",
    "disk: write fails",
    "disk: sync of edgedescent.db-wal fails",
    "disk: sync of edgedescent.db fails",
    "disk: sync of folder /simulated/device/state fails",
    "connection cut",
    "connected, old session",
    "connected, new session",
    "broker: restart, session kept",
    "broker: restart, session stale",
    "broker: restart, session lost",
    "SIGTERM before",
    "Checkpoint at message",
    "of the journal again",
    "published to edgedescent/pump/snapshots",
    "the state folder is deleted",
    "configuration: ",
    "other settings hold",
    "configuration: ['edgedescent/pump/events/#'",
    "No longer receiving",
    "match no filter of `topics.events`",
    "was deleted, moved or replaced while it was in use",
]
"""Events that a trace must contain."""


@pytest.mark.parametrize("first", range(200, 250, WORLDS))
def test_no_promise_is_broken_in_a_sample_of_worlds(first: int) -> None:
    totals = soak(range(first, first + WORLDS))
    found = "\n".join(f"{outcome.violation}: {command(outcome.seed)}" for outcome in totals.violations)
    assert not found, f"\n{found}"
    assert {name: count for name, count in totals.sums.items() if count < LEAST.get(name, 0) * WORLDS} == {}


RICH = (28, 52, 252, 279, 365, 490, 565, 605)
"""Seeds of cheap worlds in which everything happened when they were chosen; others run only if something does not."""


def test_everything_happens_and_the_machine_goes_down_at_every_point() -> None:
    events, points = set(EVENTS), set(CRASH_POINTS)

    def note(line: str) -> None:
        events.difference_update([event for event in events if event in line])
        for how in ("kill -9 before ", "power cut before "):
            points.discard(line.partition(how)[2])

    for seed in (*RICH, *range(600)):
        simulate(seed, trace=note)
        if not events | points:
            return
    pytest.fail(f"In 600 worlds this does not happen: {sorted(events | points)}.")


TRACE_OF_THREE = """
import hashlib
from edgedescent_world import simulate
lines = []
for seed in range(3):
    simulate(seed, trace=lines.append)
print(hashlib.sha256("\\n".join(lines).encode()).hexdigest())
"""


def test_a_seed_decides_everything() -> None:
    """In this process, which has run other worlds before, and in two others with other hashes."""
    lines: list[str] = []
    for seed in range(3):
        simulate(seed, trace=lines.append)
    digests = {hashlib.sha256("\n".join(lines).encode()).hexdigest()}
    for hash_seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", TRACE_OF_THREE],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        )
        digests.add(done.stdout.strip())
    assert len(digests) == 1


def test_watching_changes_nothing() -> None:
    assert simulate(11) == simulate(11, trace=lambda _: None)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command line."""
    return subprocess.run(
        [sys.executable, "-m", "edgedescent_world", *arguments], capture_output=True, text=True, check=False
    )


def test_the_command_prints_the_steps_of_one_world() -> None:
    done = run("--seed", "3", "--verbose")
    assert done.returncode == 0
    assert "--- run 1" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("1 worlds, 0 violations.")


def test_the_command_counts_for_programs() -> None:
    done = run("--seeds", "5", "--first", "100", "--jobs", "2", "--json")
    assert done.returncode == 0
    totals = json.loads(done.stdout)
    assert totals["worlds"] == 5
    assert totals["violations"] == []
    assert totals["sums"]["messages"] > 0


def test_the_steps_of_many_worlds_are_not_printed() -> None:
    done = run("--verbose")
    assert done.returncode == 2
    assert "--verbose needs --seed" in done.stderr

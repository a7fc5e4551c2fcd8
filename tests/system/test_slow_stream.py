"""What a message a minute costs the disk: the daemon's own loop on a clock that runs ahead, and a real state file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from edgedescent.config import Config, State, Topics
from edgedescent.daemon.loop import Daemon
from edgedescent.daemon.status import StatusFile, runtime_folder
from edgedescent.state.store import Store
from support.daemon_harness import FakeSnapshotJob, event
from support.fake_clock import FakeClock
from support.fake_transport import FakeTransport

MINUTES_PER_DAY = 1440
DAY_BYTES_MAX = 20_000_000


@pytest.mark.rounds(quick=1, long=28)
def test_a_message_a_minute_writes_little(tmp_path: Path, rounds: Iterable[int]) -> None:
    """Each round is six hours."""
    config = Config(device="pump", learner={"type": "MLPRegressor"}, topics=Topics(), state=State(path=str(tmp_path)))
    clock, transport = FakeClock(), FakeTransport([])
    store = Store(tmp_path)
    if not store.written_bytes:
        pytest.skip("the kernel does not count what is written to this disk")
    with runtime_folder(config) as folder:
        daemon = Daemon(config, transport, store, clock, FakeSnapshotJob(), status=StatusFile(folder))
        daemon.recover()
        before, minutes = store.written_bytes, 0
        for _ in rounds:
            for _ in range(MINUTES_PER_DAY // 4):
                transport.arriving.append([event(minutes)])
                daemon.turn(0.0)
                # The commit, and then the reports of this minute.
                for wait_s in (1.5, 10.0, 10.0, 10.0, 10.0, 10.0, 8.5):
                    clock.now += wait_s
                    daemon.turn(0.0)
                minutes += 1
        metrics = daemon.metrics()
        assert metrics["events_learned"] == metrics["commits"] == minutes
        written = (store.written_bytes or 0) - before
        # The first checkpoint comes after five minutes, and then one a day.
        assert metrics["checkpoints"] <= 2 + minutes / MINUTES_PER_DAY
        assert written / minutes * MINUTES_PER_DAY <= DAY_BYTES_MAX, f"{written} bytes in {minutes} minutes"
        print(f"{written / minutes * MINUTES_PER_DAY / 1e6:.1f} MB a day, {metrics['checkpoints']} checkpoints")
        daemon.close()

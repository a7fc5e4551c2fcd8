"""Main function of the daemon: construction from a configuration, recovery, and the loop."""

from __future__ import annotations

import gc
import logging
import os
from pathlib import Path

from edgedescent.config import Config, checksum
from edgedescent.daemon._memory import release_large_blocks
from edgedescent.daemon.clock import SystemClock
from edgedescent.daemon.health import Health
from edgedescent.daemon.loop import Daemon, Stopped
from edgedescent.daemon.signals import Signals
from edgedescent.daemon.snapshot_job import SnapshotJob
from edgedescent.daemon.status import StatusFile, runtime_folder
from edgedescent.daemon.systemd import SystemdNotifier
from edgedescent.state.lock import FolderLock
from edgedescent.state.store import Store

log = logging.getLogger(__name__)

RELEASED_BLOCK_BYTES = 65_536
"""Size from which on freed blocks of memory are returned to the system at once."""


def run(config: Config, config_path: str, signals: Signals) -> None:
    """Run a daemon in this process until SIGTERM or SIGINT; SIGUSR1 exports a snapshot.

    Args:
        config: The configuration.
        config_path: Path of the configuration file.
        signals: The signal handlers, installed at the start of the process.

    Raises:
        ConfigError: If an adapter's part of the configuration is invalid.
        StateError: If the state folder is in use, damaged beyond repair, or belongs to another learner.
    """
    # All files created from here on, also by SQLite and the exporting child, are for the owner only.
    os.umask(0o077)
    transport = config.build_transport()
    clock = SystemClock()
    health = Health(config, clock, SystemdNotifier.from_environment())
    with (
        runtime_folder(config) as status_folder,
        FolderLock(config.state.path, note=str(status_folder.resolve())),
    ):
        store = Store(
            config.state.path,
            durability=config.state.durability,
            journal_bytes_max=config.state.journal_bytes_max,
            journal_age_max_s=config.state.journal_age_max_s,
            dead_letters_max=config.state.dead_letters_max,
            dead_letters_bytes_max=config.state.dead_letters_bytes_max,
        )
        job = SnapshotJob(config_path, timeout_s=config.snapshots.timeout_s)
        status = StatusFile(status_folder, checksum(config_path))
        daemon = Daemon(config, transport, store, clock, job, health, status=status)
        if not store.last_position:
            log.info("There is no state in %s: a new one begins.", store.folder)
        signals.connect(stop=daemon.stop, snapshot=daemon.request_snapshot)
        try:
            daemon.recover()
        except Stopped:
            store.close()
            log.info("Stopped before the recovery was complete; nothing is lost.")
            return
        log.info(
            "Learning %s as %r from %s; state in %s.",
            daemon.engine.learner,
            config.device,
            ", ".join(config.subscriptions()),
            Path(config.state.path).resolve(),
        )
        # A process that runs for months must not keep the memory of its largest message.
        release_large_blocks(RELEASED_BLOCK_BYTES)
        # The objects that exist now are permanent. Excluding them from garbage collection saves 10 ms per collection.
        gc.freeze()
        daemon.run()

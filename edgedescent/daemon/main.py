"""Bringing a daemon up in this process, from a configuration to its last turn."""

from __future__ import annotations

import gc
import logging
import os
from pathlib import Path

from edgedescent.adapters import Transport, load_adapter
from edgedescent.config import Config, convert
from edgedescent.daemon._memory import give_back
from edgedescent.daemon.clock import SystemClock
from edgedescent.daemon.health import Health
from edgedescent.daemon.loop import Daemon, Stopped
from edgedescent.daemon.signals import Signals
from edgedescent.daemon.snapshot_job import SnapshotJob
from edgedescent.daemon.status import runtime_folder
from edgedescent.daemon.systemd import SystemdNotifier
from edgedescent.state.lock import FolderLock
from edgedescent.state.store import Store

log = logging.getLogger(__name__)

RETURNED_BYTES = 65_536
"""Blocks of so much memory are given back as soon as they are free."""


def run(config: Config, config_path: str, signals: Signals) -> None:
    """Run a daemon in this process until SIGTERM or SIGINT; SIGUSR1 exports a snapshot.

    Args:
        config: what to run.
        config_path: where that was read.
        signals: listening since this process began.

    Raises:
        ConfigError: if an adapter's part of the configuration is wrong.
        StateError: if the state folder is in use, damaged beyond use, or another learner's.
    """
    # Whatever is made from here on, by us, SQLite or the exporting child, is for its owner only.
    os.umask(0o077)
    transport = make_transport(config)
    clock = SystemClock()
    health = Health(config, clock, SystemdNotifier.from_environment())
    with FolderLock(config.state.path, note=str(runtime_folder(config).resolve())):
        store = Store(
            config.state.path,
            durability=config.state.durability,
            journal_bytes_max=config.state.journal_bytes_max,
            journal_age_max_s=config.state.journal_age_max_s,
            dead_letters_max=config.state.dead_letters_max,
        )
        job = SnapshotJob(config_path, timeout_s=config.snapshots.timeout_s)
        daemon = Daemon(config, transport, store, clock, job, health)
        signals.pass_on(stop=daemon.stop, snapshot=daemon.request_snapshot)
        try:
            daemon.recover()
        except Stopped:
            store.close()
            log.info("Stopped before the journal was run again; nothing is lost.")
            return
        log.info(
            "Learning %s as %r from %s; state in %s.",
            daemon.engine.learner,
            config.device,
            ", ".join(config.event_topics()),
            Path(config.state.path).resolve(),
        )
        # What one large message took must not stay with a process that runs for months.
        give_back(RETURNED_BYTES)
        # What is here by now stays: looking through it again and again would hold up answers by 10 ms each time.
        gc.freeze()
        daemon.run()


def make_transport(config: Config) -> Transport:
    """The transport that a configuration describes, not yet connected.

    Raises:
        ConfigError: naming what is wrong.
    """
    adapter = load_adapter(config.transport, "transport")
    transport: Transport = adapter(
        convert(config.broker, adapter.Config, "broker"),
        device=config.device,
        topics=config.event_topics(),
        status_topic=config.topic("status"),
        bytes_max=config.limits.payload_bytes_max,
    )
    return transport


def check(config: Config) -> None:
    """Check the adapters' parts of a configuration.

    Raises:
        ConfigError: naming what is wrong.
    """
    make_transport(config)

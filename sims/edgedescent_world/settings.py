"""Random settings of a world: configuration of the daemon, and limits of its surroundings."""

from __future__ import annotations

import msgspec

from edgedescent.config import Config, Drift, Limits, Metrics, Predictions, Snapshots, State, Topics
from edgedescent.state.checkpoints import PIECE_BYTES
from edgedescent_world.chance import Chance
from edgedescent_world.subscriptions import TOPIC, draw_filters

ALLOWANCES_BYTES = (5_000_000_000, 20_000_000_000)
"""Daily write budgets of worlds that have one: large enough for all messages to be processed in time."""
FOLDER = "/simulated/device/state"
"""State folder on the simulated disk.

It does not exist on the real one, so the status file, which need not be durable, cannot be written.
"""


class Settings(msgspec.Struct, frozen=True):
    """Configuration and limits that are drawn at the beginning of a world."""

    config: Config
    ratings: bool
    """True for a recommender, False for a regression."""
    n_messages: int
    """Number of messages that the sensors send."""
    receive_max: int
    """Number of unacknowledged messages that the daemon allows."""
    ahead_max: int
    """Number of unacknowledged messages that the broker sends; a broker may send fewer than it is allowed to."""
    allowance: int | None
    """Daily write budget in bytes; None for no limit."""
    wal_pages_max: int
    """Number of pages at which SQLite moves its write-ahead log into the database."""
    piece_bytes: int
    """Size of the pieces in which a checkpoint is written."""
    reconfigured: float
    """Probability that a start of the daemon has other limits than the one before."""
    filtered: bool
    """True if topic filters matter: they may overlap, or leave sources out."""
    refiltered: float
    """Probability that a start of the daemon has other topic filters than the one before."""

    @property
    def batch_max(self) -> int:
        """Largest number of messages of one commit: a full batch and one poll more."""
        return self.config.state.commit_messages + self.receive_max


def draw_settings(chance: Chance) -> Settings:
    """Draw the settings of a world.

    Args:
        chance: Random source of the world.
    """
    dice = chance.dice
    ratings = dice.random() < 0.3
    receive_max = dice.choice((1, 2, 5, 20, 100))
    commit_messages = dice.choice((1, 10, 100, 5000))
    n_messages = dice.randint(30, 300)
    checkpoint_events = dice.choice((1, 10, 50, 1000))
    checkpoint_interval_s = dice.choice((0.5, 5.0, 300.0))
    allowance = dice.choice((None, ALLOWANCES_BYTES[checkpoint_events < 50 or checkpoint_interval_s < 5.0]))
    config = Config(
        device="pump",
        learner={"type": "MatrixFactorization" if ratings else "LinearRegressor"},
        state=State(
            path=FOLDER,
            durability="power" if chance.power else "process",
            checkpoint_interval_s=checkpoint_interval_s,
            checkpoint_events=checkpoint_events,
            commit_interval_s=dice.choice((0.01, 0.1, 1.0)),
            commit_messages=commit_messages,
            commit_bytes=dice.choice((100, 10_000, 4_000_000)),
            written_bytes_per_day_max=allowance or 2**53,
            journal_age_max_s=dice.choice((None, None, 1.0)),
            journal_bytes_max=dice.choice((1, 1000, 10_000, 1_000_000)),
            dead_letters_max=dice.choice((1, 3, 1000)),
        ),
        limits=Limits(
            id_scope=chance.ids.choice(("topic", "topic", "device")),
            dedup_window=dice.choice((2000, 2000, 2000, 20)),
            redelivery_window=dice.choice((1000, receive_max)),
            events_per_second_max=dice.choice((None, None, None, None, 10.0)),
            questions=chance.slices.choice(("in_order", "first")),
        ),
        predictions=draw_predictions(chance),
        drift=draw_drift(chance),
        metrics=Metrics(interval_s=dice.choice((1.0, 10.0))),
        snapshots=Snapshots(every_events=dice.choice((None, 20, 100))),
    )
    if allowance is not None and config.state.journal_age_max_s is not None:
        # Checkpoints then fall due once in that time.
        allowance = max(ALLOWANCES_BYTES)
        state = msgspec.structs.replace(config.state, written_bytes_per_day_max=allowance)
        config = msgspec.structs.replace(config, state=state)
    # With a write budget, one transfer from the write-ahead log must be small compared to it.
    wal_pages_max = dice.choice((1, 10, 100, 1000) if allowance is None else (1, 10))
    ahead_max = dice.choice((receive_max, dice.randint(1, receive_max)))
    # The larger one holds any checkpoint of such a world.
    piece_bytes = dice.choice((PIECE_BYTES, 2000, 500))
    reconfigured = chance.later.choice((0.0, 0.0, 0.0, 0.5))
    filtered = chance.filters.choice((False, False, False, True))
    refiltered = chance.filters.choice((0.0, 0.5))
    filters = draw_filters(chance) if filtered else (f"{TOPIC}/#",)
    config = msgspec.structs.replace(config, topics=Topics(events=filters))
    return Settings(
        config,
        ratings,
        n_messages,
        receive_max,
        ahead_max,
        allowance,
        wal_pages_max,
        piece_bytes,
        reconfigured,
        filtered,
        refiltered,
    )


def draw_limits(chance: Chance) -> Limits:
    """Draw the limits of a start of the daemon that differ from those before."""
    dice = chance.later
    return Limits(
        payload_bytes_max=dice.choice((60, 150, 1_048_576)),
        events_per_message_max=dice.choice((1, 3, 10_000)),
        dedup_window=dice.choice((5, 100, 2000)),
        id_scope=chance.ids.choice(("topic", "device")),
        reused_ids=chance.ids.choice(("learn", "drop")),
        redelivery_window=dice.choice((1, 1000)),
        events_per_second_max=dice.choice((None, None, 3.0, 20.0)),
        questions=chance.slices.choice(("in_order", "first")),
    )


def draw_drift(chance: Chance) -> Drift:
    """Draw what watches a start of the daemon: most detectors give alarms far too easily, so that there are some."""
    eager = {"type": "PageHinkley", "threshold": 1.0, "delta": 0.0, "min_instances": 2}
    return Drift(
        enabled=chance.drift.choice((True, True, True, False)),
        detector=chance.drift.choice((eager, eager, "ADWIN", "KSWIN")),
        inputs_max=chance.drift.choice((0, 1, 4)),
    )


def draw_predictions(chance: Chance) -> Predictions:
    """Draw what the answers of a start of the daemon hold: most have no intervals."""
    return Predictions(interval=chance.intervals.choice((None, None, 0.8, 0.9)))

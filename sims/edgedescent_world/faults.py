"""Schedule of the faults of a world that do not depend on the steps of the daemon."""

from __future__ import annotations

from collections.abc import Callable

from edgedescent_world.broker import Broker
from edgedescent_world.chance import Chance
from edgedescent_world.disk import SimulatedDisk
from edgedescent_world.timeline import Timeline


def schedule_faults(
    chance: Chance,
    timeline: Timeline,
    disk: SimulatedDisk,
    broker: Broker,
    *,
    spend_budget: Callable[[], None],
    lose_folder: Callable[[], None],
    trace: Callable[[str], None],
) -> None:
    """Schedule the faults: of disk and folder, of the write budget, of connection and broker; and the end of all.

    Args:
        chance: Random source of the world.
        timeline: Time of the world.
        disk: The disk that becomes full.
        broker: The broker that restarts and whose connections are cut.
        spend_budget: Uses up the write budget of the daemon.
        lose_folder: Deletes the state folder.
        trace: Called with each line of the trace.
    """
    rates, dice = chance.rates, chance.dice

    def repeat(every_s: float, fault: Callable[[], None]) -> None:
        def happen() -> None:
            if not chance.calm:
                fault()
                timeline.after(chance.wait_s(every_s), happen)

        timeline.after(chance.wait_s(every_s), happen)

    def fill() -> None:
        trace("disk: full")
        disk.full = True
        timeline.after(dice.uniform(0.0, 0.2) * rates.duration_s, free)

    def free() -> None:
        disk.full = False

    def restart() -> None:
        if not broker.up:
            return
        lost, stale = dice.random() < rates.session_lost, dice.random() < rates.session_stale
        broker.restart("lost" if lost else "stale" if stale else "kept", dice.random())

    def calm() -> None:
        trace("all faults stop")
        chance.calm = True
        disk.full = False

    repeat(rates.full_every_s, fill)
    repeat(rates.spent_every_s, spend_budget)
    repeat(rates.cut_every_s, broker.cut)
    repeat(rates.restart_every_s, restart)
    repeat(rates.duration_s / 10, broker.save_session)
    timeline.after(rates.folder_lost_s, lose_folder)
    timeline.after(rates.duration_s, calm)

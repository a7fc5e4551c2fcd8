"""Process of the embedded broker: amqtt on one address, until it is asked to end or its parent is gone.

Run as `python -m edgedescent_sims.broker.embedded HOST PORT`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import threading

_SHUTDOWN_S = 1.0


async def serve(host: str, port: int) -> None:
    """Run the broker until SIGTERM, SIGINT, or the end of standard input."""
    from amqtt.broker import Broker

    logging.basicConfig(level=logging.ERROR)
    config = {
        "listeners": {"default": {"type": "tcp", "bind": f"{host}:{port}"}},
        "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
    }
    broker = Broker(config)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    # Standard input is a pipe from the parent that nothing is written to: it ends when the parent does.
    threading.Thread(target=_wait_for_parent, args=(loop, ended), daemon=True).start()
    await broker.start()
    await ended.wait()
    # amqtt waits for its clients to disconnect; nothing it holds is worth a long wait.
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(broker.shutdown(), _SHUTDOWN_S)


def _wait_for_parent(loop: asyncio.AbstractEventLoop, ended: asyncio.Event) -> None:
    # Read unbuffered: a thread that holds the lock of sys.stdin would make the interpreter's exit abort.
    while os.read(sys.stdin.fileno(), 4096):
        pass
    loop.call_soon_threadsafe(ended.set)


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2])))

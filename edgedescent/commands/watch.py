"""`edgedescent watch`: live view of a device in the terminal."""

from __future__ import annotations

import importlib.util
import sys
import time
from typing import Any

import click
import msgspec

from edgedescent import config as configuration
from edgedescent.console.options import CONFIG, JSON, SETTINGS, example
from edgedescent.errors import ConfigError


@click.command(
    context_settings=SETTINGS,
    epilog=example(
        "edgedescent watch device.toml",
        "edgedescent watch device.toml --broker mqtts://dashboard@broker.lan --password-file password",
        "edgedescent watch device.toml --once",
        "edgedescent watch device.toml --json | jq .daemon.state",
    ),
)
@CONFIG
@click.option(
    "--broker", metavar="URL", help="Broker to listen to instead, mqtt://[user@]host[:port] or mqtts:// for TLS."
)
@click.option("--password-file", help="File whose first line is the password of that user.")
@click.option("--once", is_flag=True, help="Print one picture as text, and end; the default without a terminal.")
@JSON
def watch(config: str, broker: str | None, password_file: str | None, once: bool, as_json: bool) -> None:
    """Show a device live: inputs, what waits, predictions beside the truth, errors, drift, dead letters.

    It listens to what the daemon of CONFIG publishes, on this machine or any other that reaches the broker, and changes
    nothing. Keys: q ends it, p pauses it, tab and arrows move, ? explains. One picture (--once, --json) waits until the
    daemon has reported, `metrics.interval_s` at most; the exit code is 1 where it does not run or report.
    """
    from edgedescent.watch.feed import look

    loaded = configuration.load(config)
    if broker is not None:
        loaded = at_broker(loaded, broker, password_file)
    elif password_file is not None:
        raise click.UsageError("--password-file is for the user of --broker.")
    if not (once or as_json or not sys.stdout.isatty()):
        view(loaded)
        return
    picture = look(loaded)
    if as_json:
        click.echo(msgspec.json.encode(picture))
    else:
        from edgedescent.watch.text import text

        click.echo(text(picture))
    if picture.daemon.problem:
        raise click.exceptions.Exit(1)


def view(config: configuration.Config) -> None:
    """Run the live view until the user ends it.

    Args:
        config: The configuration.

    Raises:
        ConfigError: If its package is not installed.
    """
    if importlib.util.find_spec("textual") is None:
        raise ConfigError(
            "The live view needs the package textual, which is not installed.",
            "Install it with: pip install 'edgedescent[watch]'; --once prints a picture without it.",
        )
    from edgedescent.watch.app import WatchApp
    from edgedescent.watch.feed import Feed, device_model

    WatchApp(device_model(config, time.monotonic()), Feed(config)).run()


def at_broker(config: configuration.Config, url: str, password_file: str | None) -> configuration.Config:
    """Configuration with another broker, and the credentials for it; certificates are kept where TLS is.

    Args:
        config: The configuration.
        url: Address of the broker.
        password_file: File with the password of its user; None for none.

    Raises:
        ConfigError: If it is no such address.
    """
    from edgedescent.setup.heard import broker_table

    own = ("host", "port", "username", "password_file", "password_env", "tls")
    kept = {name: value for name, value in config.broker.items() if name not in own}
    table: dict[str, Any] = {**kept, **broker_table(url)}
    if "tls" in table and isinstance(config.broker.get("tls"), dict):
        table["tls"] = config.broker["tls"]
    if password_file is not None:
        table["password_file"] = password_file
    return msgspec.structs.replace(config, broker=table)

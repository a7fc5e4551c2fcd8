"""The part of the command `edgedescent replay` that plays a scenario at a running daemon."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

import click
import msgspec
from click.core import ParameterSource

from edgedescent import config as configuration
from edgedescent.console.terminal import Progress
from edgedescent.errors import ConfigError
from edgedescent_mqtt.client import Connection
from edgedescent_mqtt.topics import require_level, require_topic
from edgedescent_sims.publish.device import Device
from edgedescent_sims.publish.interrupt import stop_on_interrupt
from edgedescent_sims.publish.scenario import ScenarioReplay, replay_scenario
from edgedescent_sims.scenarios import library
from edgedescent_sims.scenarios.files import load_scenario
from edgedescent_sims.simulate import output


def is_scenario(spec: str) -> bool:
    """True for a scenario file, and for the name of a scenario of the library."""
    return spec.endswith(".toml") or library.has(spec)


def refuse_others(context: click.Context, others: Collection[str]) -> None:
    """Refuse options that are given and do not apply.

    Raises:
        UsageError: If one is given.
    """
    for name in others:
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            option = "--" + name.replace("_", "-")
            is_one = is_scenario(str(context.params["source"]))
            raise click.UsageError(f"{option} does not apply to {'a scenario' if is_one else 'a source of data'}.")


def device_of(config_path: Path | None, name: str | None, topic: str | None) -> Device:
    """Device by its configuration, or with the default topics by its name.

    Raises:
        ConfigError: If the configuration, the name or the topic cannot be used.
    """
    if topic is not None:
        require_topic(topic, "--topic")
    if config_path is None:
        return Device.of(require_level("edge" if name is None else name, "--device"), topic=topic)
    if name is not None:
        raise ConfigError("Both --device and --config are given.", "The configuration names the device.")
    config = configuration.load(config_path)
    if topic is None:
        topic = config.event_topics()[0]
        if any(wildcard in topic for wildcard in "#+") or topic.startswith("$share/"):
            raise ConfigError(
                f"The device {config.device} reads {topic}, which is no topic to publish to.", "Give one with --topic."
            )
    return Device(
        name=config.device,
        events=topic,
        predictions=config.topic("predictions"),
        metrics=config.topic("metrics"),
        status=config.topic("status"),
        learner=config.build_learner(),
    )


def run(
    spec: str, connection: Connection, device: Device, *, out: Path | None, as_json: bool, **options: Any
) -> ScenarioReplay:
    """Play a scenario at a device, print the scores, and write the report where a folder for it is given."""
    scenario = load_scenario(Path(spec)) if spec.endswith(".toml") else library.load(spec)
    with stop_on_interrupt() as interrupts, Progress(scenario.name, "answers") as bar:
        report = replay_scenario(
            scenario,
            connection,
            device,
            command=shlex.join(["edgedescent", *sys.argv[1:]]),
            notify=_notify,
            on_progress=lambda answers: bar.update(answers, scenario.stream.length),
            should_stop=lambda: bool(interrupts),
            **options,
        )
    _notify_of(report, device)
    timings = {scenario.name: report.timing}
    if report.result is not None and out is not None:
        output.write([report.result], timings, out)
    if as_json:
        click.echo(msgspec.json.encode(report, order="deterministic"))
    if report.result is None or as_json:
        return report
    output.conclude([report.result], timings, out)
    click.echo(
        f"{report.answers:,} answers of {device.name} to {report.events_sent:,} events in {report.seconds:.1f} s."
        + (" They are those in memory, to the last bit." if report.agrees else "")
    )
    return report


def is_failure(report: ScenarioReplay) -> bool:
    """True if answers are missing, or differ from those in memory."""
    return report.answers_missing > 0 or report.agrees is False


def _notify_of(report: ScenarioReplay, device: Device) -> None:
    if report.interrupted:
        _notify(f"Interrupted after {report.answers} answers: nothing is scored.")
        return
    if report.answers_missing:
        _notify(
            f"{report.answers_missing} answers of {device.name} are missing and not scored. With "
            "broker.publish_qos = 1 none is lost on its way; dead letters and learned events get none."
        )
    if report.answers_repeated:
        _notify(f"{report.answers_repeated} answers came again and were left out.")
    if report.answers_to_others:
        _notify(f"{device.name} also answered {report.answers_to_others} events of somebody else.")
    if report.learned_before > 0:
        _notify(
            f"{device.name} had learned {report.learned_before} other events: only the scores of a fresh device are "
            "those in memory."
        )
    if report.agrees is False:
        _notify(f"The scores of {device.name} differ from those of its learner in memory.")


def _notify(text: str) -> None:
    click.echo(text, err=True)

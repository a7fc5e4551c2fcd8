"""Brokers that the contract is tried on. A new one is a file beside this one, and a line in `KINDS`."""

from __future__ import annotations

from brokers.kinds.aedes import Aedes
from brokers.kinds.amqtt_broker import Amqtt
from brokers.kinds.base import Broker
from brokers.kinds.mosquitto import Mosquitto, NewestMosquitto
from brokers.kinds.rabbitmq import NewestRabbitMq, RabbitMq

KINDS: tuple[type[Broker], ...] = (
    Mosquitto,
    NewestMosquitto,
    RabbitMq,
    NewestRabbitMq,
    Amqtt,
    Aedes,
)

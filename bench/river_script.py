"""Script without a daemon: paho hands each event to a River model; nothing is stored or published."""

from __future__ import annotations

import json
import sys
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from river import linear_model, preprocessing


def main(port: int, client_id: str, topic: str, qos: int, count: int) -> None:
    """Learn `count` events, then end."""
    model = preprocessing.StandardScaler() | linear_model.LinearRegression()
    left = count

    def on_connect(client: mqtt.Client, *_: Any) -> None:
        client.subscribe(topic, qos)

    def on_message(client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        nonlocal left
        event = json.loads(message.payload)
        model.predict_one(event["x"])
        model.learn_one(event["x"], event["y"])
        left -= 1
        if left == 0:
            client.disconnect()

    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=client_id)
    client.on_connect = on_connect
    client.on_message = on_message
    client.connect("127.0.0.1", port, keepalive=3600)
    client.loop_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))

"""Simulators: data sets replayed as event streams, and a private broker to run them on.

`sources` turns files and data sets into streams of events, `publish` sends a stream to an MQTT broker, `broker` runs
a private broker on the loopback interface, and `demo` puts them together with a daemon. `publish.command` and
`demo.command` are the commands `edgedescent replay` and `edgedescent demo`.
"""

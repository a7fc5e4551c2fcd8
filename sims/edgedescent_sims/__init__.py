"""Simulators: real data sets replayed as event streams, and a broker to rehearse on.

`sources` turns files and data sets into streams of events, `publisher` sends a stream to an MQTT broker,
`broker` runs a private broker on the loopback interface, and `replay` is the command line of the first two.
"""

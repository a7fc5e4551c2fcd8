"""Support code of the tests: fakes, real brokers and daemons as processes, streams of events."""

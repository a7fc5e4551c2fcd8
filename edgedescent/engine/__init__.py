"""The engine: payloads in, predictions out, without any input or output of its own."""

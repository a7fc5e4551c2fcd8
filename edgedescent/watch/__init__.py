"""Live view of a device: what its daemon publishes, as a picture, as text and in the terminal."""

"""Simulations: candidates on the stream of a scenario, scored and compared."""

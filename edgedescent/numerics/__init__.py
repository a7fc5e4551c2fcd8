"""Inline C helpers shared by the compiled modules: number conversion, vector sums, random numbers."""

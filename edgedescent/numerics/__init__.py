"""Arithmetic that the compiled modules share: numbers, vectors, random words."""

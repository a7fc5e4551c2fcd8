"""Durable state: the journal, checkpoints and dead letters in one SQLite file, and their repair and recovery."""

"""The daemon: its main loop, commits, answers, health reports, preflight checks and dry runs."""

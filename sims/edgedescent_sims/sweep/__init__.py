"""Sweeps: many configurations of learners on scenarios and seeds, resumable after any interruption.

A sweep is a product: configurations × scenarios × seeds. `definition` reads what is to be run, `space` holds the notation
of what is searched, `search` proposes configurations, `jobs` runs one of them, `executors` and `dask_executor` run many
at once, `journal` keeps the runs that are done, `sweep` puts these together, and `ranking` and `output` say what came of
it. `command` is the command `edgedescent sweep`.
"""

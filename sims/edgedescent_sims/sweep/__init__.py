"""Sweeps: many configurations of learners on scenarios and seeds, resumable after any interruption.

A sweep is a product of configurations, scenarios and seeds. `definition` reads what is to be run, `space` holds the
notation of what is searched, `search` proposes configurations, `jobs` runs one of them, `executors` and `dask_executor`
run many at once, `journal` keeps the runs that are done, `sweep` puts these together, and `ranking`, `output` and
`html` say what came of it. `command` is the command `edgedescent sweep`.

Example:
    >>> from pathlib import Path
    >>> from edgedescent_sims.sweep.definition import load_sweep
    >>> from edgedescent_sims.sweep.executors import PoolExecutor
    >>> from edgedescent_sims.sweep.ranking import rank
    >>> from edgedescent_sims.sweep.sweep import run_sweep
    >>> sweep = load_sweep(Path("sweep.toml"))  # doctest: +SKIP
    >>> result = run_sweep(sweep, Path("results"), executor=PoolExecutor(2))  # doctest: +SKIP
    >>> rank(result).configurations[0].learner  # doctest: +SKIP
    {'type': 'LinearRegressor', 'l2': 0.001}
"""

"""The compiled arithmetic: one C function per event, each with a NumPy twin in ``tests/reference.py``.

Every module here is a ``.pyx`` file with a ``.pyi`` stub of the same stem and, where other kernels build on it, a
``.pxd``. Nothing in this package knows about files, brokers or configuration.
"""

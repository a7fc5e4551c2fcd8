# This module exports C functions to other compiled modules only; it has no Python API.

"""Kills kbm at each named step, and looks whether what was promised still holds."""

import os

# Before numpy is imported anywhere: a process of several threads must not fork.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

"""``python -m kbm``."""

from kbm.entrypoints.cli.start import run

run()

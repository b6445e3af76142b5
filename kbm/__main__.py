"""``python -m kbm``."""

from kbm.entrypoints.cli.main import run

run()

"""Publishes two releases in turns for some seconds, in a process of its own: ``mover CONFIG GPT A B SECONDS``."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from kbm.bootstrap import Kbm
from kbm.config import load_settings
from kbm.testing.builders import settings


def main(config: str, gpt: str, first: str, second: str, spell_s: str) -> None:
    """Move the pointer to and fro, probe included, and print how often."""
    path = Path(config)
    read = load_settings(path) if path.exists() else settings(path.parent)
    ends, moves = time.perf_counter() + float(spell_s), 0
    with Kbm(read) as kbm:
        while time.perf_counter() < ends:
            kbm.publish.run(gpt, (first, second)[moves % 2], who="bench", why="measured")
            moves += 1
    sys.stdout.write(f"{moves}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])

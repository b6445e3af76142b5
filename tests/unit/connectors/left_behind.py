"""All bytes that kbm left in a folder, those inside its backups too."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path


def left_behind(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Give name and content of each file, and of each file in a backup."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path.name, path.read_bytes()
        if path.name.endswith(".tar.gz"):
            with tarfile.open(path) as backup:
                for member in backup:
                    file = backup.extractfile(member)
                    if file is not None:
                        yield f"{path.name}/{member.name}", file.read()

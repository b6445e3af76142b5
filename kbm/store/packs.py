"""Packs: a folder of Markdown files for upload, whole or not there."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from kbm.errors import UsageError
from kbm.faults import fault_point
from kbm.store.backup import sync_folder


class PackFolders:
    """Writes packs."""

    def write(self, folder: Path, gpt: str, files: Mapping[str, str]) -> None:
        """Write the files of a pack; an earlier pack of the same GPT is replaced, anything else is left alone.

        Raises:
            UsageError: the folder holds something else.
        """
        ours = re.compile(rf"{re.escape(gpt)}-\d+\.\d+\.\d+-(\d\d|README)\.md")
        if folder.exists() and (
            not folder.is_dir() or any(not ours.fullmatch(one.name) for one in folder.iterdir())
        ):
            raise UsageError(
                f"{folder} holds more than an earlier pack of {gpt}; nothing was written",
                hint="name a new folder",
            )
        aside, before = (folder.with_name(f".{folder.name}.{part}") for part in ("part", "old"))
        with fault_point("pack.write"):
            for left in (aside, before):
                if left.exists():
                    shutil.rmtree(left)
            aside.mkdir(parents=True)
            for name, text in files.items():
                with (aside / name).open("x", encoding="utf-8", newline="\n") as file:
                    file.write(text)
                    file.flush()
                    os.fsync(file.fileno())
            if folder.exists():
                folder.rename(before)
            aside.rename(folder)
            sync_folder(folder.parent)
            if before.exists():
                shutil.rmtree(before)

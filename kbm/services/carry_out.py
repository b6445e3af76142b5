"""Carry out what is done once and safe to repeat: refresh a source, read documents again, rebuild an index."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from kbm.domain.fixes import Fix, RebuildIndex, RefreshSource, Reparse
from kbm.errors import UsageError
from kbm.ports import Progress
from kbm.services.rebuild import Rebuild
from kbm.services.sync import SourceToSync, Sync, SyncResult

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class CarryOut:
    """The use case with what it needs. ``read_again`` lets the next sync fetch items again,
    ``forget_failures`` lets contents that could not be parsed be parsed anew instead of being known as bad."""

    sync: Sync
    rebuild: Rebuild
    source_to_sync: Callable[[str], SourceToSync]
    forget_cursor: Callable[[str], None]
    read_again: Callable[[str, list[str]], None]
    forget_failures: Callable[[], object]

    def run(self, gpt: str, fix: Fix, who: str, progress: Progress) -> list[str]:
        """Do it; gives what is still wrong. Repeating it is safe.

        Raises:
            UsageError: it is no task.
            KbmError: the source, a document or the index does not let it.
        """
        problems: list[str] = []
        match fix:
            case RefreshSource(source=source):
                self.forget_cursor(source)
                problems += _left(self.sync.run(self.source_to_sync(source), progress))
            case Reparse(items=items):
                by_source: dict[str, list[str]] = {}
                for item in items:
                    source, _, item_id = item.partition(":")
                    by_source.setdefault(source, []).append(item_id)
                self.forget_failures()
                for source, ids in sorted(by_source.items()):
                    self.read_again(source, ids)
                    done = self.sync.run(self.source_to_sync(source), progress)
                    again = {id: reason for id, reason in done.quarantined if id in ids}
                    problems += [*_left(done), *(f"still {reason}" for _, reason in sorted(again.items()))]
            case RebuildIndex():
                self.rebuild.mend_live(gpt, progress)
            case _:
                raise UsageError(f"{fix.kind} is no task")
        log.info("task_done", gpt=gpt, kind=fix.kind, who=who, problems=len(problems))
        return list(dict.fromkeys(problems))


def _left(done: SyncResult) -> list[str]:
    return [*done.plan.failures, *done.not_fetched]

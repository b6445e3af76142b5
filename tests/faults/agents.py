"""What agents find in a small company: one gap, a document that closes it, and a source to be read anew."""

from __future__ import annotations

from datetime import date

from kbm.domain.fixes import AddOverlay, Evidence, RefreshSource
from kbm.domain.gaps import Cause, Diagnosis, GapName
from kbm.domain.review import Findings, FoundGap, ReviewWindow
from kbm.domain.suggestions import Proposal
from kbm.ports import Lookup, Progress
from kbm.services.review import Detected
from tests.faults.company import SOURCE

OWNER = "owner@test.example"
IN_VAIN = (
    "Where do foreign lorries unload pallets?",
    "At which gate do lorries unload pallets?",
    "Where may a lorry unload its pallets?",
)
GAP = "lorries"
OVERLAY = "Foreign lorries unload their pallets at gate three."


def look(window: ReviewWindow, lookup: Lookup, progress: Progress) -> Detected:
    """Find the questions that were asked in vain; what was found once is found again."""
    del progress
    mine = [one.id for one in window.questions if one.text in IN_VAIN]
    gap = FoundGap(
        id=GAP,
        name=GapName(title=IN_VAIN[0], keywords=("lorries",)),
        theme="",
        diagnosis=Diagnosis(cause=Cause.MISSING),
        members=tuple(mine),
        central=tuple(mine[:1]),
        n_asked=len(mine),
    )
    near = next(one for one in lookup.nearest([IN_VAIN[0]], 10)[0] if one.item == f"{SOURCE}:yard.txt")
    quote = Evidence(
        chunk_id=near.chunk_id,
        document_id=near.document_id,
        start=near.span.start,
        end=near.span.end,
    )
    overlay = AddOverlay(
        title="Lorries", text=OVERLAY, language="en", evidence=(quote,), expires_on=date(2027, 5, 1)
    )
    proposals = (
        Proposal(fix=overlay, why="missing", gap=GAP, questions=tuple(mine), evidence=(quote,)),
        Proposal(fix=RefreshSource(source=SOURCE), why="quiet"),
    )
    return Detected(findings={"gaps": Findings(gaps=(gap,), proposals=proposals)}, problems={})

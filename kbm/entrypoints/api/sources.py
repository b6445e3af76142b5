"""The route of sources: what IT watches. Its counts are of all documents, so it needs an action of its own."""

from __future__ import annotations

from fastapi import APIRouter, Depends

from kbm.domain.access import Action
from kbm.entrypoints.api.access import Allowed, KbmDep, SubjectDep
from kbm.entrypoints.api.routes import errors
from kbm.entrypoints.api.source_schemas import SourceOut, SourcesOut
from kbm.entrypoints.source_json import sources_json

router = APIRouter(tags=["knowledge"])


@router.get(
    "/v1/sources",
    operation_id="listSources",
    responses=errors(401, 403, 429, 503),
    dependencies=[Depends(Allowed(Action.SOURCES))],
)
def get_sources(kbm: KbmDep, subject: SubjectDep) -> SourcesOut:
    """Show how the sources stand: last and next sync, what waits or failed, how long changes take to arrive.

    A key for certain assistants sees their sources alone.
    """
    gpts = subject.rights.gpts
    mine = (
        None
        if gpts is None
        else {source for name, gpt in kbm.settings.gpts.items() if name in gpts for source in gpt.sources}
    )
    listed = sources_json(kbm, kbm.catalogue.documents.quarantine(), mine)
    return SourcesOut(sources=[SourceOut.model_validate(one) for one in listed])

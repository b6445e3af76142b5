"""Who asks at an HTTP door. Each route names the action it needs; without one it is not served."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from kbm.bootstrap import Kbm
from kbm.domain.access import Action, Subject
from kbm.services.retrieve import Caller

_bearer = HTTPBearer(
    auto_error=False,
    description="A key of `kbm keys create`, or a token of the company's identity provider. Where kbm has neither, "
    "none is needed.",
)


def kbm_of(request: Request) -> Kbm:
    """Give the kbm that the application was made over."""
    kbm: Kbm = request.app.state.kbm
    return kbm


def subject_of(
    request: Request,
    kbm: Annotated[Kbm, Depends(kbm_of)],
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Subject:
    """Say whose request it is, and count it."""
    bearer = credentials.credentials if credentials else None
    subject = kbm.access.subject_of(bearer, request.path_params.get("gpt"))
    kbm.access.count(subject)
    return subject


def caller_as(subject: Subject, door: str) -> Caller:
    """Give a subject as who asks through a door."""
    rights = subject.rights
    return Caller(readers=rights.readers, gpts=rights.gpts, subject=subject.id, door=door)


@dataclass(frozen=True, slots=True)
class Allowed:
    """The dependency of a route: who asks, if they may do *action* with the GPT in its path."""

    action: Action
    door: str = "rest"

    def __call__(
        self,
        request: Request,
        kbm: Annotated[Kbm, Depends(kbm_of)],
        subject: Annotated[Subject, Depends(subject_of)],
    ) -> Caller:
        """Authorize the request; FastAPI calls it."""
        kbm.access.allow(subject, self.action, request.path_params.get("gpt"))
        return caller_as(subject, self.door)


KbmDep = Annotated[Kbm, Depends(kbm_of)]
SubjectDep = Annotated[Subject, Depends(subject_of)]

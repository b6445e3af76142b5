"""Make the preview of a suggestion anew, and tell whether the one that is stored still holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from kbm.domain.fixes import AddOverlay, Route
from kbm.domain.question_log import Logged
from kbm.domain.suggestions import UNDECIDED, Suggestion
from kbm.errors import UsageError
from kbm.ports import Progress
from kbm.services.build import GptToBuild
from kbm.services.company_index import CompanyIndex
from kbm.services.needs import Releases
from kbm.services.overlays import Overlays
from kbm.services.preview import PreviewFix
from kbm.services.review_needs import Suggestions


@dataclass(frozen=True, slots=True, kw_only=True)
class Prove:
    """The use case with what it needs. ``log`` gives a GPT's questions that are still readable."""

    suggestions: Suggestions
    releases: Releases
    company: CompanyIndex
    overlays: Overlays
    preview: PreviewFix
    gpt_to_build: Callable[[str], GptToBuild]
    log: Callable[[str], list[Logged]]

    def run(self, id: str, progress: Progress) -> Suggestion:
        """Prove a suggestion over what is stored now, and store the proof with it.

        Raises:
            NotFound: there is none of that id.
            UsageError: it was decided already, or does not go into a release.
            NothingLive: nothing of its GPT is live.
        """
        found = self.suggestions.get(id)
        if found.state not in UNDECIDED:
            raise UsageError(f"suggestion {id} is {found.state}: there is nothing to decide")
        if found.route is not Route.RELEASE:
            raise UsageError(f"{found.fix.kind} goes into no release, so there is nothing to compare")
        if isinstance(found.fix, AddOverlay):
            self.overlays.draft(found.gpt, id, found.fix)
        self.company.refresh(progress)
        basis = self.preview.basis(self.gpt_to_build(found.gpt), self.log(found.gpt))
        with progress.stage(f"preview {id}", 1) as stage:
            made = self.preview.run(basis, found)
            stage.advance()
        self.suggestions.set_preview(id, made)
        return replace(found, preview=made)

    def holds(self, one: Suggestion) -> bool:
        """Tell whether documents, readers and rules are as they were when its preview was made."""
        live = self.releases.live(one.gpt)
        if one.preview is None or live is None:
            return False
        return one.preview.base == self.preview.base(self.gpt_to_build(one.gpt), live)

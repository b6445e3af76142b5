"""``kbm suggestions``: what agents propose, and what people decide."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from kbm.bootstrap import Kbm
from kbm.domain.fixes import ROUTES, AddGoldenQuestions, AddOverlay, Fix, Route
from kbm.domain.identity import Digest
from kbm.domain.suggestions import Change, Suggestion, SuggestionState, below_fold, ranked
from kbm.entrypoints.cli.context import Json, opened
from kbm.entrypoints.cli.render import TerminalProgress, counted, out, plain, print_json, table
from kbm.entrypoints.suggestion_json import read_fix, shown_json, suggestion_json
from kbm.errors import UsageError
from kbm.sections import hours, is_duration
from kbm.services.show_suggestion import ShownAnswer, ShownSuggestion
from kbm.services.suggestion_words import cause, does, owner_question, proof

app = typer.Typer(help="What agents propose, and what people decide.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(help="The suggestion's id, as `kbm suggestions list` shows it.")]
As = Annotated[
    str, typer.Option("--as", metavar="MAIL", help="Who decides; with keys in use KBM_KEY says it instead.")
]
WAITING = (SuggestionState.OPEN, SuggestionState.REOPENED)


@app.command("list")
def list_suggestions(
    gpt: Annotated[str | None, typer.Option("--gpt", help="Only this GPT's.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Decided and lapsed ones too.")] = False,
    as_json: Json = False,
) -> None:
    """List what waits for a decision, by the questions it would answer."""
    with opened(as_json=as_json) as kbm:
        if gpt is not None:
            kbm.gpt_settings(gpt)
        # What is there of an assistant that kbm.toml no longer has waits for nobody.
        all_of_them = kbm.catalogue.suggestions.all(gpt, () if everything else WAITING)
        found = ranked([one for one in all_of_them if one.gpt in kbm.settings.gpts])
        folded = below_fold([one for one in found if one.state in WAITING], kbm.clock.now())
        language = "en"
        fixes = _fixes(kbm, found)
        if as_json:
            print_json(
                {
                    "suggestions": [
                        suggestion_json(one, fixes[one.id], language) | {"below_fold": one.id in folded}
                        for one in found
                    ]
                }
            )
            return
        shown = [one for one in found if one.id not in folded or everything]
        rows = [
            (one.id, one.gpt, does(fixes[one.id], language), proof(one, language), one.risk, one.state)
            for one in shown
        ]
        empty = "nothing waits for a decision; agents look every night, or now: kbm review"
        table("", ("id", "GPT", "proposal", "proof", "risk", "state"), rows, empty=empty)
        if len(found) > len(shown):
            out.print(f"and {len(found) - len(shown)} more that came this week: --all")


@app.command()
def show(id: Id, as_json: Json = False) -> None:
    """Show a suggestion: the questions, the evidence, and the answers before and after."""
    with opened(as_json=as_json) as kbm:
        one = kbm.reviewing.show.run(id, _readers(kbm, id))
        if as_json:
            print_json(shown_json(one, "en"))
        else:
            _show(one, "en")


@app.command()
def preview(id: Id, as_json: Json = False) -> None:
    """Prove a suggestion anew, over what is stored now."""
    with opened(as_json=as_json) as kbm:
        gpt = kbm.catalogue.suggestions.get(id).gpt
        with kbm.working("preview", id):
            kbm.reviewing.prove.run(id, TerminalProgress(quiet=as_json))
        one = kbm.reviewing.show.run(id, kbm.people_of(gpt).readers)
        if as_json:
            print_json(shown_json(one, "en"))
        else:
            _show(one, "en")


@app.command()
def approve(
    id: Id,
    seen: Annotated[
        str, typer.Option("--seen", metavar="SEAL", help="What `show` named; without: as it is now.")
    ] = "",
    golden: Annotated[
        list[str] | None,
        typer.Option("--golden", help="A neutral wording to test every release with; repeat it."),
    ] = None,
    reason: Annotated[str, typer.Option("--reason", help="Why, kept in the log.")] = "",
    who: As = "",
    as_json: Json = False,
) -> None:
    """Approve exactly what was seen: it goes into the next candidate, through gate and publish."""
    with opened(as_json=as_json) as kbm:
        found = kbm.catalogue.suggestions.get(id)
        with kbm.working("approve", id):
            done = kbm.reviewing.decide.approve(
                id,
                seen=Digest(seen) if seen else found.seal,
                who=_decider(kbm, found.gpt, who),
                progress=TerminalProgress(quiet=as_json),
                golden=golden or (),
                reason=reason,
            )
        _told(kbm, done, as_json, f"approved; it goes into the next release: kbm nightly {done.gpt}")


@app.command()
def reject(
    id: Id,
    reason: Annotated[str, typer.Option("--reason", help="Why, kept in the log. Required.")] = "",
    who: As = "",
    as_json: Json = False,
) -> None:
    """Say no; it does not come back unless what it is for doubles."""
    with opened(as_json=as_json) as kbm:
        gpt = kbm.catalogue.suggestions.get(id).gpt
        done = kbm.reviewing.decide.reject(id, who=_decider(kbm, gpt, who), reason=reason)
        _told(kbm, done, as_json, "rejected")


@app.command()
def snooze(
    id: Id,
    for_: Annotated[str, typer.Option("--for", help="How long: 3d, 2w.")] = "7d",
    who: As = "",
    as_json: Json = False,
) -> None:
    """Put a suggestion aside for a while."""
    if not is_duration(for_):
        raise typer.BadParameter(f"{for_!r} is no duration like 3d or 2w")
    with opened(as_json=as_json) as kbm:
        gpt = kbm.catalogue.suggestions.get(id).gpt
        until = kbm.clock.now() + timedelta(hours=hours(for_))
        done = kbm.reviewing.decide.snooze(id, until=until, who=_decider(kbm, gpt, who))
        _told(kbm, done, as_json, f"put aside until {until.date()}")


@app.command()
def edit(
    id: Id,
    file: Annotated[
        Path, typer.Argument(help='The fix as `show --json` gives it under "fix", changed.', exists=True)
    ],
    who: As = "",
    as_json: Json = False,
) -> None:
    """Change what a suggestion would do; it is proved anew, and is then to be approved as it is."""
    with opened(as_json=as_json) as kbm:
        gpt = kbm.catalogue.suggestions.get(id).gpt
        try:
            fix = read_fix(json.loads(file.read_text()))
        except ValueError as error:
            raise UsageError(f"{file} holds no fix: {error}") from None
        with kbm.working("edit", id):
            kbm.reviewing.decide.edit(id, fix, who=_decider(kbm, gpt, who))
            if ROUTES[fix.kind] is Route.RELEASE:
                kbm.reviewing.prove.run(id, TerminalProgress(quiet=as_json))
        one = kbm.reviewing.show.run(id, kbm.people_of(gpt).readers)
        if as_json:
            print_json(shown_json(one, "en"))
        else:
            _show(one, "en")


@app.command()
def ask(
    id: Id,
    expert: Annotated[str, typer.Option("--expert", metavar="MAIL", help="Whom you ask.")],
    question: Annotated[str, typer.Option("--question", help="What you ask them.")],
    who: As = "",
    as_json: Json = False,
) -> None:
    """Note that an expert was asked; the suggestion waits on."""
    with opened(as_json=as_json) as kbm:
        gpt = kbm.catalogue.suggestions.get(id).gpt
        decider = _decider(kbm, gpt, who)
        done = kbm.reviewing.decide.ask_expert(id, expert=expert, question=question, who=decider)
        _told(kbm, done, as_json, f"noted that {plain(expert)} was asked")


@app.command()
def undo(
    id: Id,
    reason: Annotated[str, typer.Option("--reason", help="Why, kept in the log. Required.")] = "",
    who: As = "",
    as_json: Json = False,
) -> None:
    """Take a decision back; an overlay is hidden at once, the rest goes with the next release."""
    with opened(as_json=as_json) as kbm:
        gpt = kbm.catalogue.suggestions.get(id).gpt
        done = kbm.reviewing.decide.undo(id, who=_decider(kbm, gpt, who), reason=reason)
        _told(kbm, done, as_json, "open again")


def _fixes(kbm: Kbm, some: Sequence[Suggestion]) -> dict[str, Fix]:
    """Give what suggestions would do, by id, as the owner of each GPT may see it."""
    found: dict[str, Fix] = {}
    for gpt in {one.gpt for one in some} & kbm.settings.gpts.keys():
        mine = [one for one in some if one.gpt == gpt]
        found |= kbm.reviewing.show.fixes(gpt, mine, kbm.people_of(gpt).readers)
    return found


def _readers(kbm: Kbm, id: str) -> frozenset[str]:
    return kbm.people_of(kbm.catalogue.suggestions.get(id).gpt).readers


def _decider(kbm: Kbm, gpt: str, who: str) -> str:
    """Say who decides: the person of ``KBM_KEY``, or whoever ``--as`` names while no key was ever made."""
    subject = kbm.access.subject_of(os.environ.get("KBM_KEY"))
    return kbm.access.decider(subject, gpt, who)


def _show(shown: ShownSuggestion, language: str) -> None:
    """Write a suggestion for a person."""
    one = shown.suggestion
    out.print(f"[bold]{plain(does(shown.fix, language))}[/bold]")
    out.print(plain(f"{one.gpt} · {one.fix.kind} · risk {one.risk} · {one.state} · by {one.proposed_by}"))
    if one.proposal.cause:
        out.print(plain(f"why: {cause(one.proposal.cause, language)}"))
    if shown.gap and shown.gap.ask:
        out.print(plain(f"unsure: {owner_question(shown.gap.ask, language)}"))
    if isinstance(shown.fix, AddOverlay):
        out.print(plain(f"\n{shown.fix.text}\n"))
        for hole in shown.fix.asks:
            out.print(plain(f"  open: {hole}"))
    if isinstance(shown.fix, AddGoldenQuestions):
        tests = [(each.question, ", ".join(each.expected)) for each in shown.fix.questions]
        table("", ("test", "expects"), tests, empty="")
    else:
        table("", ("asked",), [(each,) for each in shown.questions[:10]], empty="no question may be shown")
    if shown.n_hidden:
        out.print(f"and {counted(shown.n_hidden, 'question')} that may not be shown to you")
    for quote in shown.evidence:
        told = f"  “{quote.text}”  {quote.title}" if quote.text else f"  evidence for {quote.steward} to see"
        out.print(plain(told))
    if one.preview:
        holds = "" if shown.proof_holds else " (documents changed since: preview it again)"
        out.print(plain(f"proof: {proof(one, language)}{holds}"))
        changed = [each for each in shown.replayed if each.change is not Change.UNCHANGED]
        rows = [
            (each.question or "(not shown)", each.change, _says(each.before), _says(each.after))
            for each in changed[:20]
        ]
        table("", ("question", "change", "before", "after"), rows, empty="no answer changes")
    if one.state in WAITING:
        out.print(plain(f"approve: kbm suggestions approve {one.id} --seen {one.seal}"))


def _says(answer: ShownAnswer) -> str:
    """Say an answer in short."""
    words = " ".join(one.text for one in answer.quotes)[:160]
    return f"{answer.outcome}: {words}" if words else str(answer.outcome)


def _told(kbm: Kbm, done: Suggestion, as_json: bool, text: str) -> None:
    if as_json:
        print_json(suggestion_json(done, _fixes(kbm, [done])[done.id], "en"))
    else:
        out.print(f"{done.id} {text}")

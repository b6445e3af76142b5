"""``kbm canary``: a release that some people get first."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from kbm.bootstrap import Kbm
from kbm.domain.canary import Audience, Canary, ReplayReport
from kbm.entrypoints.cli.context import Json, opened, who
from kbm.entrypoints.cli.releases import Gpt, release_json
from kbm.entrypoints.cli.render import TerminalProgress, counted, out, print_json
from kbm.errors import UsageError

app = typer.Typer(help="Let some people get a release first.", no_args_is_help=True)

Reason = Annotated[str, typer.Option("--reason", help="Why, kept in the log.")]


@app.command()
def start(
    gpt: Gpt,
    version: Annotated[str, typer.Argument(help="Number of a candidate, such as 2.0.0.")],
    audience: Annotated[
        str, typer.Argument(help="'10%' or 'group:NAME'; else release.canary of kbm.toml.")
    ] = "",
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Replay the last weeks' questions on it and live; let the audience get it if nothing speaks against it."""
    with opened(as_json=as_json) as kbm:
        start_canary(kbm, gpt, version, audience, reason, as_json=as_json)


def start_canary(kbm: Kbm, gpt: str, version: str, audience: str, reason: str, *, as_json: bool) -> None:
    """Start a canary and tell what the replay found.

    Raises:
        UsageError: *audience* is neither a share nor readers, and kbm.toml names none.
    """
    section = kbm.gpt_settings(gpt)
    try:
        wanted = Audience.parse(audience or section.release.canary)
    except ValueError as error:
        raise UsageError(f"who shall get the canary? {error}") from None
    started, replay = kbm.canary.start(
        gpt,
        version,
        wanted,
        max_drop=section.release.max_drop,
        who=who(),
        why=reason,
        progress=TerminalProgress(quiet=as_json),
    )
    if as_json:
        print_json({**_canary_json(started), "release": version, "replay": _replay_json(replay)})
        return
    out.print(_replay_in_words(replay))
    out.print(f"{gpt} {version} answers {wanted}; everybody else gets live")
    out.print(f"end it with: kbm canary promote {gpt}, or kbm canary stop {gpt} --reason …")


@app.command()
def status(gpt: Gpt, as_json: Json = False) -> None:
    """Tell which canary is under way and what it did so far."""
    with opened(as_json=as_json) as kbm:
        kbm.gpt_settings(gpt)
        found = kbm.catalogue.canaries.running(gpt)
        if found is None:
            if as_json:
                print_json({"canary": None})
            else:
                out.print(f"{gpt} has no canary under way")
            return
        release = kbm.catalogue.releases.at(gpt, found.seq)
        n_answers, n_problems = kbm.journal.questions.on_canary(gpt, found.started_at)
        if as_json:
            counts = {"answers": n_answers, "problems": n_problems}
            print_json({"canary": {**_canary_json(found), "release": str(release.version), **counts}})
            return
        out.print(
            f"{gpt} {release.version} answers {found.audience} since {found.started_at:%Y-%m-%d %H:%M} UTC: "
            f"{counted(n_answers, 'answer')}, {n_problems} reported as a problem"
        )


@app.command()
def stop(gpt: Gpt, reason: Reason = "", as_json: Json = False) -> None:
    """End it: everybody gets live from the next question on."""
    with opened(as_json=as_json) as kbm:
        kbm.gpt_settings(gpt)
        ended = kbm.canary.stop(gpt, who=who(), why=reason)
        if as_json:
            print_json(_canary_json(ended))
        else:
            out.print(f"the canary of {gpt} has ended; everybody gets live")


@app.command()
def promote(gpt: Gpt, reason: Reason = "", as_json: Json = False) -> None:
    """Let everybody get it: the same content under its final number."""
    with opened(as_json=as_json) as kbm:
        section = kbm.gpt_settings(gpt)
        with kbm.working("canary", gpt):
            made = kbm.canary.promote(
                gpt,
                max_drop=section.release.max_drop,
                who=who(),
                why=reason,
                progress=TerminalProgress(quiet=as_json),
            )
        if as_json:
            print_json(release_json(made))
        else:
            out.print(f"{gpt} {made.version} answers everybody now")


def _canary_json(found: Canary) -> dict[str, Any]:
    return {
        "gpt": found.gpt,
        "target": str(found.target),
        "rc": found.rc,
        "audience": str(found.audience),
        "state": found.state,
        "started_at": found.started_at.isoformat(),
        "who": found.who,
    }


def _replay_json(replay: ReplayReport) -> dict[str, Any]:
    return {
        "questions": replay.n_questions,
        "won": replay.won,
        "lost": replay.lost,
        "changed": replay.changed,
    }


def _replay_in_words(replay: ReplayReport) -> str:
    if not replay.n_questions:
        return "no question of the last 30 days is there to replay: nothing is proved by it"
    return (
        f"{counted(replay.n_questions, 'question')} replayed on both: {replay.won} answered now, {replay.lost} "
        f"no longer, {replay.changed} with other quotes"
    )

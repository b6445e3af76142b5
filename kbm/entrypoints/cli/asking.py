"""``kbm ask`` and ``kbm serve``."""

from __future__ import annotations

import signal
import socket
import sys
from contextlib import nullcontext
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from kbm.bootstrap import Kbm
from kbm.domain.answers import Answer, Outcome
from kbm.domain.documents import EVERYONE
from kbm.domain.filters import Filters
from kbm.domain.releases import ReleaseContent
from kbm.entrypoints.api.schemas import AnswerOut
from kbm.entrypoints.cli.context import Json, opened, set_logging
from kbm.entrypoints.cli.releases import Gpt
from kbm.entrypoints.cli.render import TerminalProgress, counted, err, out, plain, print_json
from kbm.errors import NotFound, UsageError
from kbm.services.retrieve import Caller

if TYPE_CHECKING:
    from kbm.entrypoints.scheduler import Scheduler

app = typer.Typer()

FINISHED_WITHIN_S = 15
"""A service that is told to stop takes no more requests, and gives those that it has this long to end."""

_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


@app.command()
def ask(
    gpt: Gpt,
    question: Annotated[str, typer.Argument(help="The question, in German, English or French.")],
    release: Annotated[
        str | None, typer.Option("--release", help="Ask this release instead of the live one.")
    ] = None,
    as_of: Annotated[
        datetime | None,
        typer.Option(
            "--as-of",
            formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M"],
            help="Ask what answered then, in UTC; a day means its end.",
        ),
    ] = None,
    readers: Annotated[
        list[str] | None,
        typer.Option("--as", metavar="READER", help="Ask as this reader too: group:hr, user:anna."),
    ] = None,
    sources: Annotated[
        list[str] | None, typer.Option("--source", help="Answer from this source only; may be repeated.")
    ] = None,
    after: Annotated[
        datetime | None,
        typer.Option("--after", formats=["%Y-%m-%d"], help="From documents of this day (UTC) or later only."),
    ] = None,
    before: Annotated[
        datetime | None,
        typer.Option("--before", formats=["%Y-%m-%d"], help="From documents before this day (UTC) only."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Ask a GPT's knowledge; the answer comes with verbatim quotes and their sources."""
    with opened(as_json=as_json) as kbm:
        caller = Caller(readers=frozenset({EVERYONE, *(readers or ())}), door="cli")
        if release and as_of:
            raise UsageError("--release and --as-of name two releases", hint="give one of them")
        then = _end_of(as_of) if as_of else None
        _bring_back(kbm, gpt, release, then)
        unknown = set(sources or ()) - set(kbm.gpt_settings(gpt).sources)
        if unknown:
            raise NotFound(f"source of {gpt}", min(unknown), kbm.gpt_settings(gpt).sources)
        filters = Filters(
            sources=frozenset(sources or ()),
            modified_after=after.replace(tzinfo=UTC) if after else None,
            modified_before=before.replace(tzinfo=UTC) if before else None,
        )
        answer = kbm.ask.run(gpt, question, caller, release=release, as_of=then, filters=filters)
        if as_json:
            print_json(AnswerOut.of(answer).model_dump(mode="json"))
        else:
            show_answer(question, answer)


def _end_of(given: datetime) -> datetime:
    """Read a moment in UTC; a bare day is taken at its end."""
    whole_day = timedelta(days=1, microseconds=-1) if given.time() == time() else timedelta()
    return given.replace(tzinfo=UTC) + whole_day


def _bring_back(kbm: Kbm, gpt: str, release: str | None, as_of: datetime | None) -> None:
    """Write the index of the release that is named again, if it was put away."""
    if release is None and as_of is None:
        return
    chosen = kbm.retrieve.release_of(gpt, release, as_of)
    if chosen.content is ReleaseContent.EVICTED:
        with kbm.working("bring back", f"{gpt} {chosen.version}"):
            kbm.rebuild.bring_back(gpt, chosen, TerminalProgress())


def show_answer(question: str, answer: Answer) -> None:
    """Tell an answer: sentences with numbers, then each quote with its source."""
    out.print(f"\n[bold]{plain(question)}[/bold]")
    for sentence in answer.sentences:
        numbers = "".join(f"[{n}]" for n in sentence.citations)
        out.print(f"  {plain(sentence.text)} [cyan]{plain(numbers)}[/cyan]")
    if answer.outcome is Outcome.UNANSWERED:
        out.print(f"  [yellow]no answer[/yellow] ({answer.cause})")
    if answer.model:
        withheld = f", {counted(answer.withheld, 'sentence')} withheld" if answer.withheld else ""
        out.print(f"  [dim]worded by {plain(answer.model)}, {answer.tokens} tokens{withheld}[/dim]")
    shade = {"answered": "green", "uncertain": "yellow", "unanswered": "yellow"}[answer.outcome]
    out.print(
        f"  [{shade}]{answer.outcome}[/{shade}], confidence {answer.confidence:.2f}, "
        f"{answer.gpt} {answer.release}, {answer.took_ms} ms"
    )
    for one in answer.citations:
        passage = one.passage
        place = [passage.source, passage.item_id]
        if passage.page:
            place.append(f"page {passage.page}")
        if passage.section:
            place.append(" › ".join(passage.section))
        stale = " [red](past its review date)[/red]" if passage.stale else ""
        out.print(
            f"  [cyan]\\[{one.n}][/cyan] {plain(passage.title)}{stale} — [dim]{plain(' · '.join(place))}[/dim]"
        )
    for line in answer.degraded:
        err.print(f"  [yellow]note:[/yellow] {plain(line)}")
    out.print(f"  [dim]{plain(answer.notice)}[/dim]")


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=0, max=65535)] = 8000,
    with_scheduler: Annotated[
        bool, typer.Option("--with-scheduler", help="Run `kbm nightly` every day at kbm.nightly_at, too.")
    ] = False,
) -> None:
    """Answer over HTTP; /docs shows every door."""
    with opened() as kbm:
        is_open = kbm.access.is_open
        if is_open and host not in _LOOPBACK:
            raise UsageError(
                f"no key is made yet, so kbm does not listen on {host}: anybody could ask",
                hint="make one first: kbm keys create NAME",
            )
        import uvicorn

        from kbm.entrypoints.api.app import create_app

        # A data folder that cannot be read ends here, not at the first question; and SQLite makes files when a
        # database is opened first, so that questions are answered also once the disk is full.
        kbm.warm_up()
        set_logging("INFO")
        listening = _listen(host, port)
        address = f"http://{host}:{listening.getsockname()[1]}"
        if is_open:
            err.print(
                f"no key is configured: listening on this machine only, {address} (docs at {address}/docs)"
            )
        else:
            public = ", ".join(name for name, one in kbm.settings.gpts.items() if one.public)
            but = f", except to {public}" if public else ""
            err.print(f"listening on {address}; every request needs a key{but} (docs at {address}/docs)")
        # Uvicorn raises the signal again after a graceful stop: leave by the way that also closes kbm.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        service = create_app(kbm, hosts=_hosts(kbm, host))
        server = uvicorn.Server(
            uvicorn.Config(
                service, log_level="warning", access_log=False, timeout_graceful_shutdown=FINISHED_WITHIN_S
            )
        )
        with _scheduler(kbm).running() if with_scheduler else nullcontext():
            server.run(sockets=[listening])


def _hosts(kbm: Kbm, host: str) -> frozenset[str]:
    """Name what the service may be called by: this machine, where it listens, and kbm.public_url."""
    public = urlsplit(kbm.settings.kbm.public_url).hostname
    return frozenset({*_LOOPBACK, host, *([public] if public else [])})


def _scheduler(kbm: Kbm) -> Scheduler:
    from kbm.entrypoints.scheduler import Scheduler, night_command

    at = time.fromisoformat(kbm.settings.kbm.nightly_at)
    err.print(f"the night runs every day at {at:%H:%M}")
    noted = kbm.settings.data_dir / "night.day"
    return Scheduler(night_command(kbm.settings.path), at, noted, kbm.clock)


def _listen(host: str, port: int) -> socket.socket:
    """Open the port before anything is said about it; port 0 takes a free one."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise UsageError(
            f"cannot listen on {host} port {port}: {error.strerror}", hint="choose another one with --port"
        ) from error

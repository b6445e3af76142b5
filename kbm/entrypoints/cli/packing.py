"""``kbm pack``: a release as files for GPTs that only take uploads."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from kbm.entrypoints.cli.context import Json, opened, who
from kbm.entrypoints.cli.releases import Gpt
from kbm.entrypoints.cli.render import TerminalProgress, counted, out, plain, print_json

app = typer.Typer()

_WHY = {
    "readers": "not everybody may read it",
    "withdrawn": "withdrawn or erased since",
    "no_text": "no text in it",
    "room": "no room left",
}


@app.command()
def pack(
    gpt: Gpt,
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="A folder that is not there yet, empty, or an earlier pack.")
    ],
    release: Annotated[
        str | None, typer.Option("--release", help="Pack this release instead of the live one.")
    ] = None,
    readers: Annotated[
        list[str] | None,
        typer.Option("--as", metavar="READER", help="Also what this reader may read: group:hr, user:anna."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Write a release as at most 20 Markdown files, to be uploaded to a GPT that takes nothing else.

    Whoever uses that GPT can read all of it: kbm cannot hide or withdraw what was uploaded.
    """
    with opened(as_json=as_json) as kbm:
        kbm.gpt_settings(gpt)
        made = kbm.make_pack.run(
            gpt,
            folder.resolve(),
            readers=frozenset(readers or ()),
            release=release,
            who=who(),
            progress=TerminalProgress(quiet=as_json),
        )
        if as_json:
            print_json(
                {
                    "gpt": gpt,
                    "release": made.release,
                    "digest": made.digest,
                    "readers": sorted(made.readers),
                    "folder": str(folder),
                    "files": [{"name": name, "chars": len(made.files[name])} for name in sorted(made.files)],
                    "documents": made.n_documents,
                    "passages": made.n_passages,
                    "left_out": [
                        {"source": one.source, "item_id": one.item_id, "why": one.why}
                        for one in made.left_out
                    ],
                }
            )
            return
        out.print(
            plain(
                f"wrote {gpt} {made.release} to {folder}: {counted(len(made.files), 'file')}, "
                f"{counted(made.n_documents, 'document')}, {counted(made.n_passages, 'passage')}"
            )
        )
        for why, n in sorted(Counter(one.why for one in made.left_out).items()):
            out.print(f"left out: {counted(n, 'document')}, {_WHY[why]}")
        out.print(f"upload all files; {gpt}-{made.release}-README.md also says how to answer from them")

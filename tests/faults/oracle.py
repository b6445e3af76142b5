"""What must hold after a crash, after the same command was run again, and at any other time.

=====  ===================================================================================================
I1     a release answers as it did; live is the release from before, or the new one once the pointer moved
I2     every acknowledged write is there: releases, decisions, receipts of answers
I3     every release that can be asked verifies under the digest that SQL has for it
I4     nothing is running and nothing is held once the command was run again
I5     no file lies in an index folder, aside or half-written, that nothing names
I6     the same command run again ends as if nothing had happened, and embeds nothing twice
I7     the audit chain verifies
I8     what was withdrawn, or what a caller may not read, is found on no release
=====  ===================================================================================================

What can be read without kbm's own code is read with ``sqlite3`` alone.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import closing
from typing import Any

from kbm_indexes.probe import look
from kbm_indexes.release_index import release_files

from kbm.bootstrap import Kbm
from kbm.domain.people import LoggedEntry
from kbm.domain.releases import Release, ReleaseContent, ReleaseState
from kbm.services.retrieve import Caller
from tests.faults.company import ERASED, GPT, QUESTIONS, SECRET_WORDS, SOURCE, Company

Seen = dict[str, Any]
"""What was seen of a company, as JSON: it goes from process to process."""

CALLERS = {"all": Caller(), "hr": Caller(readers=frozenset({"everyone", "group:hr"}))}
DEEP = 50


def seen(company: Company) -> Seen:
    """Look at everything of a company; a folder in which nothing was done yet is seen as empty."""
    if not (company.data / "catalogue.db").exists():
        lists = ("moves", "decisions", "receipts", "problems")
        return {"releases": {}, "answers": {}, "sealed": {}, "live": None, "vectors": 0} | {
            name: [] for name in lists
        }
    with company.opened() as kbm:
        releases = kbm.catalogue.releases.all(GPT)
        live, previous = kbm.catalogue.releases.live(GPT), kbm.catalogue.releases.previous(GPT)
        canary = kbm.catalogue.canaries.running(GPT)
        askable = [one for one in releases if _is_askable(one)]
        chain = kbm.catalogue.audit.verify()
        problems = [] if chain.broken is None else [f"I7: the audit chain is broken: {chain.broken}"]
        sealed = {str(one.version): [_verified(company, one), one.index_digest] for one in askable}
        readers = _readers(company)
        answers = {str(one.version): _asked(kbm, one, readers, problems) for one in askable}
        return {
            "releases": {str(one.version): _line(one) for one in releases},
            "live": str(live.version) if live else None,
            "previous": str(previous.version) if previous else None,
            "canary": str(kbm.catalogue.releases.at(GPT, canary.seq).version) if canary else None,
            "sealed": sealed,
            "answers": answers,
            "documents": {
                item: [known.version, sorted(known.readers)]
                for item, known in kbm.catalogue.documents.known(SOURCE).items()
            },
            "decisions": [
                f"{one.action} {_of(one)} {json.dumps(dict(one.detail), sort_keys=True)}"
                for one in kbm.catalogue.audit.entries()
            ],
            "visibility": _column(
                company,
                "catalogue",
                "SELECT change || document_no || readers FROM visibility_change ORDER BY epoch",
            ),
            "golden": {one.id: one.state for one in kbm.catalogue.golden.all(GPT)},
            "suggestions": {
                one.id: [one.state, one.seal, one.decided_by, one.applied_in]
                for one in kbm.catalogue.suggestions.all(GPT)
            },
            "gaps": {
                one.id: [one.state, list(one.members), one.closed_in, [list(each) for each in one.counts]]
                for one in kbm.journal.gaps.all(GPT)
            },
            "moves": _column(
                company, "catalogue", "SELECT to_version FROM pointer_move WHERE name = 'live' ORDER BY id"
            ),
            "receipts": _column(company, "journal", "SELECT id FROM answer ORDER BY id"),
            "vectors": _n_vectors(company),
            "problems": problems,
        }


def _line(one: Release) -> Seen:
    return {
        "seq": one.seq,
        "state": one.state,
        "content": one.content,
        "digest": one.digest,
        "documents": one.n_documents,
        "chunks": one.n_chunks,
    }


def _of(entry: LoggedEntry) -> str:
    """Say what a decision was about; the ids of keys are random."""
    return "a key" if entry.action.startswith("key_") else entry.subject


def _is_askable(one: Release) -> bool:
    return one.state is not ReleaseState.FAILED and one.content is ReleaseContent.INDEXED


def _asked(kbm: Kbm, release: Release, readers: dict[str, set[str]], leaks: list[str]) -> Seen:
    """Ask a release all known questions: every passage in its order, and what is said.

    I8: passages of documents that are withdrawn or closed to the caller are told in *leaks*; *readers* are those
    of each present document, as SQL has them.
    """
    found = {}
    for name, caller in CALLERS.items():
        for question in QUESTIONS:
            hits = kbm.retrieve.run(GPT, question, caller, release=str(release.version), k=DEEP)
            made = kbm.ask.answer(hits)
            found[f"{name}: {question}"] = [
                [one.chunk_id for one in hits.passages],
                made.outcome,
                [one.text for one in made.sentences],
            ]
            leaks += [
                f"I8: {name} is shown {one.item_id} on {release.version}"
                for one in hits.passages
                if not readers.get(one.item_id, set()) & caller.readers
            ]
    return found


def _verified(company: Company, release: Release) -> str:
    """Hash every file of a release, and ask its known answers; gives its digest, or what is wrong with it."""
    folder = company.data / "index" / GPT / release.index_spec.digest[:16]
    try:
        return look(folder, release.seq).digest
    except Exception as error:  # whatever it is: a release that cannot be verified is what is looked for
        return f"{type(error).__name__}: {error}"


def _readers(company: Company) -> dict[str, set[str]]:
    query = "SELECT item_id, readers FROM document WHERE present = 1"
    with closing(sqlite3.connect(company.data / "catalogue.db")) as connection:
        return {item: set(json.loads(names)) for item, names in connection.execute(query)}


# -- what is compared ---------------------------------------------------------------------------------------------


def after_crash(now: Seen, before: Seen, after: Seen) -> list[str]:
    """Say what does not hold right after a crash between *before* and *after*."""
    problems = list(now["problems"])
    for version, (found, digest) in now["sealed"].items():
        # An erasure seals a release anew before SQL goes over to it; until it is finished both are true.
        _, redacted = after["sealed"].get(version, ("", ""))
        if found not in (digest, redacted):
            problems.append(f"I3: {version} verifies as {found[:200]}, SQL has {digest}")
    moves = now["moves"]
    if moves[: len(before["moves"])] != before["moves"] or moves != after["moves"][: len(moves)]:
        problems.append(f"I1: the pointer moved as {moves}, undisturbed as {after['moves']}")
    if now["live"] != (moves[-1] if moves else None):
        problems.append(f"I1: live is {now['live']} after the moves {moves}")
    for version, answers in now["answers"].items():
        allowed = [one["answers"][version] for one in (before, after) if version in one["answers"]]
        for question, answer in answers.items():
            # What is imported is there before its texts are shown; it does not answer anybody yet.
            hidden = version not in before["answers"] and version != now["live"] and not answer[0]
            if allowed and not hidden and answer not in [one[question] for one in allowed]:
                problems.append(f"I1: {version} answers {question!r} as neither before nor after")
    for version, line in before["releases"].items():
        kept = now["releases"].get(version)
        if kept is None or kept["digest"] not in (
            line["digest"],
            after["releases"].get(version, line)["digest"],
        ):
            problems.append(f"I2: {version} is lost, or has another content")
    for version, line in now["releases"].items():
        if version not in before["releases"] and version not in after["releases"]:
            problems.append(f"I2: {version} ({line['state']}) is there, and no run makes it")
    if now["decisions"][: len(before["decisions"])] != before["decisions"]:
        problems.append("I2: a decision is lost from the log")
    if set(before["receipts"]) - set(now["receipts"]):
        problems.append("I2: the receipt of an answer is lost")
    return problems


def after_swap(now: Seen, before: Seen, after: Seen) -> list[str]:
    """Say what does not hold after a crash of what puts the whole *after* in the place of the whole *before*."""
    if any(all(now[name] == one[name] for name in COMPARED) for one in (before, after)):
        return list(now["problems"])
    return [*now["problems"], "I1: the company is neither as before nor as after"]


COMPARED = (
    *("live", "moves", "previous", "canary", "releases", "answers"),
    *("documents", "visibility", "golden", "vectors", "decisions", "suggestions", "gaps"),
)


def after_rerun(
    company: Company, now: Seen, crashed: Seen, after: Seen, *, embedded: int, allowed: int
) -> list[str]:
    """Say what differs from an undisturbed run once the command was run again.

    *embedded* are the passages the second run embedded, *allowed* those of an undisturbed one.
    """
    problems = list(now["problems"])
    problems += [
        f"I6: {name} differ from an undisturbed run: {_difference(now[name], after[name])}"
        for name in COMPARED
        if now[name] != after[name]
    ]
    problems += [
        f"I3: {version} verifies as {found[:200]}, SQL has {digest}"
        for version, (found, digest) in now["sealed"].items()
        if found != digest
    ]
    if set(crashed["receipts"]) - set(now["receipts"]):
        problems.append("I2: the receipt of an answer is lost")
    stored = max(0, crashed["vectors"] - after.get("vectors_before", 0))
    if embedded > max(0, allowed - stored):
        problems.append(f"I6: {embedded} passages embedded, {stored} of {allowed} were stored already")
    return problems + at_rest(company)


def at_rest(company: Company) -> list[str]:
    """Say what is left that nobody waits for: running jobs, leases, litter."""
    problems = []
    running = _column(company, "catalogue", "SELECT kind FROM job WHERE state = 'running'")
    if running:
        problems.append(f"I4: running for ever: {', '.join(running)}")
    if _column(company, "catalogue", "SELECT name FROM lease WHERE holder IS NOT NULL"):
        problems.append("I4: the lease names a holder")
    return problems + [f"I5: nothing names {path}" for path in sorted(_litter(company))]


def _litter(company: Company) -> Iterator[str]:
    specs = dict.fromkeys(_column(company, "catalogue", "SELECT spec_digest FROM segment"))
    named = {"LOCK"}
    named.update(_column(company, "catalogue", "SELECT name FROM segment"))
    query = "SELECT seq FROM release WHERE content = 'indexed'"
    for seq in _column(company, "catalogue", query):
        named.update(release_files(seq))
    for path in (company.data / "index").rglob("*"):
        if path.is_file() and (path.name not in named or path.parent.name not in {one[:16] for one in specs}):
            yield str(path.relative_to(company.data))
    contents = set(_column(company, "catalogue", "SELECT content FROM document_content"))
    for path in company.data.rglob("*"):
        is_raw = path.parent.parent == company.data / "raw" and path.name not in contents
        is_aside = path.name.endswith((".tmp", ".part", ".new", ".old")) and "index" not in path.parts
        if is_raw or is_aside:
            yield str(path.relative_to(company.data))


def residue(company: Company, words: Collection[str] = (*SECRET_WORDS, ERASED)) -> list[str]:
    """Look for words in all bytes and names of the data folder."""
    found = []
    for path in company.data.rglob("*"):
        data = path.read_bytes() if path.is_file() else b""
        found += [
            f"I8: {word!r} is still in {path.relative_to(company.data)}"
            for word in words
            if word.encode() in data or word in path.name
        ]
    return found


def _n_vectors(company: Company) -> int:
    """Count vectors without Chroma, which is looked at from another process after a crash: that takes seconds."""
    path = company.data / "chroma" / "chroma.sqlite3"
    if not path.exists():
        return 0
    with closing(sqlite3.connect(path)) as connection:
        there = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'embeddings'").fetchone()
        return connection.execute("SELECT count(*) FROM embeddings").fetchone()[0] if there else 0


def _column(company: Company, database: str, query: str) -> list[Any]:
    path = company.data / f"{database}.db"
    if not path.exists():
        return []
    with closing(sqlite3.connect(path)) as connection:
        return [row[0] for row in connection.execute(query)]


def _difference(now: object, after: object) -> str:
    if isinstance(now, dict) and isinstance(after, dict):
        keys = sorted(key for key in {*now, *after} if now.get(key) != after.get(key))
        return "; ".join(f"{key}: {_difference(now.get(key), after.get(key))}" for key in keys[:3])
    if isinstance(now, list) and isinstance(after, list):
        other = [one for one in now if one not in after], [one for one in after if one not in now]
        return f"+{other[0]} -{other[1]}"[:300]
    return f"{now!r} instead of {after!r}"[:300]

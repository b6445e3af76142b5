"""Which releases keep their index, and what is said of one that does not."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from kbm.domain.releases import Release, ReleaseContent, ReleaseState
from kbm.errors import ReleaseEvicted


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long releases of a GPT are kept, as kbm.toml says."""

    keep: int
    purge_after: timedelta


def hot(releases: Sequence[Release], pointed: Collection[int]) -> set[int]:
    """Give the releases people ask or soon will: *pointed* (live, canary), and the newest candidate.

    *releases* are all of a GPT, newest first. Their rows lie together.
    """
    return {*pointed, *_newest_candidate(releases)}


def to_evict(releases: Sequence[Release], pointed: Collection[int], keep: int) -> list[Release]:
    """Give the releases whose index is put away, newest first.

    Live, previous and the canary (*pointed*), the newest candidate, labelled ones and the newest of all always stay;
    of the others the newest *keep*. One that failed its probe cannot be asked, so it does not stay.
    """
    safe = hot(releases, pointed) | {one.seq for one in releases[:1]}
    others = [
        one
        for one in releases
        if one.content is ReleaseContent.INDEXED and one.seq not in safe and not one.label
    ]
    sealed = [one for one in others if one.state is not ReleaseState.FAILED]
    return [one for one in others if one.state is ReleaseState.FAILED or one not in sealed[:keep]]


def to_purge(releases: Sequence[Release], now: datetime, after: timedelta) -> list[Release]:
    """Give the releases that were put away long enough ago for their content to go."""
    return [
        one
        for one in releases
        if one.content is ReleaseContent.EVICTED
        and not one.label
        and one.content_at is not None
        and now - one.content_at > after
    ]


def ensure_indexed(release: Release) -> None:
    """Refuse a release that cannot be asked as it is.

    Raises:
        ReleaseEvicted: its index was put away, or its content is gone; when, and what brings it back.
    """
    if release.content is ReleaseContent.INDEXED:
        return
    if release.content is ReleaseContent.PURGED:
        raise purged(release.gpt, str(release.version), release.content_at)
    raise ReleaseEvicted(
        f"the index of {release.gpt} {release.version} was put away{_on(release.content_at)}; "
        "its content is still there",
        hint=f'on the server, this brings it back: kbm ask {release.gpt} "…" --release {release.version}',
    )


def purged(gpt: str, version: str, at: datetime | None) -> ReleaseEvicted:
    """Make the error about a release whose content is gone."""
    return ReleaseEvicted(
        f"the content of {gpt} {version} was purged{_on(at)}; only what it was is known",
        hint=f"see kbm releases {gpt} for newer ones; `kbm label {gpt} VERSION TEXT` keeps one for good",
    )


def _on(at: datetime | None) -> str:
    return f" on {at:%Y-%m-%d}" if at else ""


def _newest_candidate(releases: Sequence[Release]) -> set[int]:
    return {one.seq for one in [one for one in releases if one.state is ReleaseState.CANDIDATE][:1]}

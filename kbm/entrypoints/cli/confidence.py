"""From which confidence on a release answers, as ``kbm eval`` shows it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from kbm.domain.calibration import LOSE, Calibration, Curve
from kbm.domain.releases import Release
from kbm.entrypoints.cli.render import counted, out, table


def confidence_json(release: Release) -> dict[str, Any]:
    """Give thresholds and the curve behind them as JSON; ``measured`` is null where the shipped ones hold."""
    with_vectors, by_words = (release.thresholds(dense=dense) for dense in (True, False))
    return {
        "lose": release.answer_spec.lose,
        "with_vectors": {"threshold": with_vectors[0], "uncertain_below": with_vectors[1]},
        "words_only": {"threshold": by_words[0], "uncertain_below": by_words[1]},
        "measured": asdict(release.calibration) if release.calibration else None,
    }


def show_confidence(release: Release) -> None:
    """Tell thresholds, what they rest on, and what others would do."""
    lose = release.answer_spec.lose
    out.print(f"\nanswers are withheld so that {lose} % of the questions with an answer are lost")
    found = release.calibration
    if found is None:
        threshold, _ = release.thresholds(dense=False)
        out.print(f"too few passages to measure by: below confidence {threshold:.2f}, as shipped")
        return
    out.print(f"measured by {basis(found)}")
    for name, curve in (("with vectors", found.dense), ("by words alone", found.words)):
        if curve is not None:
            _show(name, curve, lose)


def basis(found: Calibration) -> str:
    """Say by how many questions of which kind thresholds were measured."""
    parts = [counted(found.n_own, "question") + " made of its own documents"]
    if found.n_golden:
        parts.append(counted(found.n_golden, "golden question"))
    if found.n_verdicts:
        parts.append(counted(found.n_verdicts, "verdict") + " of people")
    return ", ".join(parts)


def _show(name: str, curve: Curve, lose: int) -> None:
    out.print(
        f"{name}: no answer below {curve.threshold:.2f}, with a warning below {curve.uncertain_below:.2f}"
    )
    rows = [
        (
            f"{point.lost:.1%}" + (" *" if _is_near(point.lost, lose) else ""),
            f"{point.threshold:.2f}",
            f"{point.caught:.0%}",
            f"{1 - point.lost:.0%}",
            f"{point.precision:.0%}",
        )
        for point in curve.points
    ]
    columns = ("lost#", "below#", "caught#", "coverage#", "precision#")
    table("", columns, rows, empty="")


def _is_near(lost: float, lose: int) -> bool:
    return lose in LOSE and abs(100 * lost - lose) < 1

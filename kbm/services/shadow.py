"""A release that is not built: some documents of the company index under some rules of answering."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from kbm.domain.releases import Release


@dataclass(frozen=True, slots=True, kw_only=True)
class Shadow:
    """A release of a GPT that is not built: some documents of the company under some rules of answering.

    ``rules`` is a release that stands for it: of the GPT, with the rules and thresholds that it would have, and with
    the index of ``company``. ``holds`` tells by document number what it would hold. Since a search ranks over what is
    visible alone, it ranks as a fresh release of just these documents.
    """

    company: Release
    rules: Release
    holds: NDArray[np.bool_] = field(repr=False)


def holds(numbers: Collection[int]) -> NDArray[np.bool_]:
    """Make a mask by document number."""
    mask = np.zeros(max(numbers, default=0) + 1, dtype=np.bool_)
    mask[list(numbers)] = True
    return mask

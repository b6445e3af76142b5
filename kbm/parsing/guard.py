"""placeholder"""

from kbm.domain.documents import Blob


def check(blob: Blob, media_type: str) -> None: ...

"""Puts settings and plug-ins together: :class:`Kbm` is what every entry point opens."""

from kbm.bootstrap.use_cases import Kbm

__all__ = ["Kbm"]

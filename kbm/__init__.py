"""kbm: a knowledge-base manager for custom assistants."""

__version__ = "0.1.0"

__all__ = ["__version__"]

"""Bytes to elements. Services use :class:`kbm.parsing.pool.ParsingPool`; parsers are plug-ins behind the port."""

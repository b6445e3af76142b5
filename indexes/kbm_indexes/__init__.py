"""Chunking, vectors, lexical search, sealed segments and release indexes."""

"""Compare training strategies of a multilingual retriever, on anybody's languages and data."""

__version__ = "0.1.0"

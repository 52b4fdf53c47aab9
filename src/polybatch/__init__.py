"""Compare training strategies of a multilingual retriever, on anybody's languages and data."""

__version__ = "0.2.0.dev0"

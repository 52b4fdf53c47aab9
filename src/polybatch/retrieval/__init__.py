"""Vectors to ranked documents: index, ranks, TREC runs."""

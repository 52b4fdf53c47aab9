"""Runs to scores: measures, per-query scores, language bias, alignment."""

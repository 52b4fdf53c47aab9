"""Batch plans: which query-document pairs share a training batch."""

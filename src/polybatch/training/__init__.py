"""Contrastive training that follows a batch plan."""

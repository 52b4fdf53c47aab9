"""Encoders: by name, from a checkpoint, to a checkpoint, and from texts to vectors."""

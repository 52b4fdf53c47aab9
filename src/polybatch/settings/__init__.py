"""params.yaml: its sections, read once, typed and checked."""

"""Domain-adaptive pre-training: domain text, objectives, their training."""

"""Result versions: the numbers of versions.yaml and digests of each stage's code."""

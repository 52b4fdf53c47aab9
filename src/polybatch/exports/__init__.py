"""A trained strategy as others use it: a folder with its card, results in other forms."""

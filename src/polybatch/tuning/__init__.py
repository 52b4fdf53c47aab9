"""Settings tried alike for all strategies, on held-out articles, and the best of them chosen."""

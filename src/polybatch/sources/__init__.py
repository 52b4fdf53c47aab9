"""Publishers' data and the user's own: what to fetch, and how its files are read."""

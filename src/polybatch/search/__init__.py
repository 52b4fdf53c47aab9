"""The documents of a study, searched with one of its strategies: from a terminal or a server."""

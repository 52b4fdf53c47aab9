"""A module a command of the console: `arguments` adds what it takes, `work` does it."""

"""The terminal: what the command prints while it runs and at its end."""

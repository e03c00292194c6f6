"""Backups: the state of a workspace, copied while it works, and put back whole or not at all."""

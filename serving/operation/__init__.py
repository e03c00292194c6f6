"""Operation of the server: its limits, its door, what it measures and logs, and how it stops."""

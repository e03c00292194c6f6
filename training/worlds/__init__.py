"""Simulated books whose truth is known."""

"""Simulated books whose truth is known."""

from training.worlds.world import World, simulate

__all__ = ["World", "simulate"]

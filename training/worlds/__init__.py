"""Simulated books whose truth is known."""

from training.worlds.scenarios import SCENARIOS
from training.worlds.world import World, simulate

__all__ = ["SCENARIOS", "World", "simulate"]

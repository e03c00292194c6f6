"""The page: the book's matrix, list and forecast."""

from serving.store import Store

__all__ = ["render"]


def render(store: Store) -> str:
    """Write the page of the current run."""
    return "<!doctype html><title>Perennial</title>"

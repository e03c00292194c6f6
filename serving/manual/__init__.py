"""The manual: pages that are written from the program itself, so that they cannot go stale."""

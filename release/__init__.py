"""What makes a release: locks, builds, bills of what is in it, and the trial of what was built.

Nothing here is part of what is installed; ``python -m release`` tells the story (docs/release.md).
"""

"""What makes a release: locks, builds, bills of what is in it, and the trial of what was built.

Nothing here is part of what is installed. It is run as ``PYTHONPATH=.ci python -m release``
(docs/release.md).
"""

"""Bulk scoring: every account of a book that is too large for one process, judged in parts."""

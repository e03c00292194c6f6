"""The weekly digest: what changed since the last run, whom to call, and why the forecast moved."""

from serving.digest.content import Digest, digest_of
from serving.digest.files import digested, keep, kept
from serving.digest.page import page
from serving.digest.reading import Week, read
from serving.digest.text import text

__all__ = ["Digest", "Week", "digest_of", "digested", "keep", "kept", "page", "read", "text"]

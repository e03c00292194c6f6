"""The signature of a model: whoever wrote it held the workspace's signing key.

A bundle's digest stands for every byte of it. Who can write both the bundle and the place that
names its digest can still put another model there. With a key, which lives in the environment of
the jobs and not beside the models, that shows: the digest is signed (HMAC-SHA256) when a model is
registered, and no model without a right signature is promoted, scored with or served.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from features.durable import replace
from features.faults import DataRejected

__all__ = ["SIGNATURE", "Signer"]

SIGNATURE = "perennial.signature"
"""The tag of MLflow that holds the signature of a version."""
_PURPOSE = b"perennial model 1\n"
_CURE = "train again with the key, or take [models] signing_key out if models need no signature"


@dataclass(frozen=True)
class Signer:
    """Signs digests, and checks what was signed.

    Attributes
    ----------
    key : bytes
        Never printed.

    Examples
    --------
    >>> signer = Signer(b"k" * 32)
    >>> signer.check("ab12", signer.sign("ab12"))
    >>> signer.check("ab13", signer.sign("ab12"))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    features.faults.DataRejected: model ab13: signed with another key, or not ...
    >>> signer
    Signer()
    """

    key: bytes = field(repr=False)

    def sign(self, digest: str) -> str:
        """Give the signature of a bundle's digest."""
        return hmac.new(self.key, _PURPOSE + digest.encode("ascii"), hashlib.sha256).hexdigest()

    def signed(self, digest: str, tags: Mapping[str, str]) -> dict[str, str]:
        """Give tags with the signature; one that is there already must be right."""
        if SIGNATURE in tags:
            self.check(digest, tags[SIGNATURE])
        return {**tags, SIGNATURE: self.sign(digest)}

    def check(self, digest: str, signature: str | None) -> None:
        """Refuse a model that was not signed with this key.

        Raises
        ------
        DataRejected
            ``model.signature`` (exit code 65).
        """
        if not signature:
            raise DataRejected("model.signature", f"model {digest[:12]}: not signed", _CURE)
        found = signature.encode("utf-8", "replace")
        if not hmac.compare_digest(found, self.sign(digest).encode("ascii")):
            said = "signed with another key, or not the model that was signed"
            raise DataRejected("model.signature", f"model {digest[:12]}: {said}", _CURE)

    def note(self, folder: Path, digest: str) -> None:
        """Write the signature of a kept copy beside it."""
        path, told = _beside(folder, digest), self.sign(digest).encode("ascii") + b"\n"
        if not path.is_file() or path.read_bytes() != told:
            replace(path, told)

    def check_kept(self, folder: Path, digest: str) -> None:
        """Refuse a kept copy whose signature beside it is not right.

        Raises
        ------
        DataRejected
            ``model.signature``.
        """
        try:
            noted = _beside(folder, digest).read_text("ascii").strip()
        except (OSError, ValueError):
            noted = None
        self.check(digest, noted)


def _beside(folder: Path, digest: str) -> Path:
    return folder / f"{digest}.signature"

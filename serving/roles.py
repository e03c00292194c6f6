"""Roles: what each may ask, and who somebody is who asks."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ROLES", "SCOPES", "THIS_MACHINE", "Who"]

SCOPES = ("read", "act", "score", "runs")
ROLES: dict[str, frozenset[str]] = {
    "admin": frozenset(SCOPES),
    "cs": frozenset({"read", "act", "score", "runs"}),
    "finance": frozenset({"read", "runs"}),
    "batch": frozenset({"score", "runs"}),
}


@dataclass(frozen=True)
class Who:
    """Who asks.

    Attributes
    ----------
    role : str
        admin, cs, finance or batch.
    csm : str or None
        The one CSM whose accounts are shown; None for all accounts.
    contacts : bool
        Whether contacts' names are shown.
    name : str
        What the key is called, for the audit.
    key : str or None
        The key's id, without its secret; for whoever a proxy signed in, a mark of the name.

    Examples
    --------
    >>> Who("finance", None, False, "cfo").may("act")
    False
    """

    role: str
    csm: str | None
    contacts: bool
    name: str
    key: str | None = None

    @classmethod
    def of(cls, role: str, csm: str | None, name: str, key: str | None = None) -> Who:
        """Give who has a role: finance is shown no contact.

        Examples
        --------
        >>> [Who.of(role, None, "k").contacts for role in ("cs", "finance")]
        [True, False]
        """
        return cls(role, csm, role != "finance", name, key)

    def may(self, scope: str) -> bool:
        """Say whether a scope is among those of the role."""
        return scope in ROLES[self.role]


THIS_MACHINE = Who.of("admin", None, "this machine")
"""Who asks while no key was made yet."""

"""How alembic runs a revision: on the connection that ``serving.database`` hands over."""

from __future__ import annotations

from alembic import context

from serving.tables import metadata

__all__ = ["migrate"]


def migrate() -> None:
    """Run the revisions inside the caller's transaction."""
    connection = context.config.attributes["connection"]
    context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
    context.run_migrations()


if __name__ == "env_py":  # the name under which alembic loads this file
    migrate()

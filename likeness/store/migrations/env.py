"""What Alembic runs: the caller gives the connection, inside its own transaction."""

from alembic import context

from likeness.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
)
context.run_migrations()

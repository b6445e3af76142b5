"""Runs the numbered migrations on the connection the store hands over."""

from alembic import context

connection = context.config.attributes["connection"]
context.configure(
    connection=connection, target_metadata=context.config.attributes["metadata"], render_as_batch=True
)
context.run_migrations()

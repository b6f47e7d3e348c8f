"""Alembic's entry: migrations run in the transaction that `upgrade` has opened."""

from alembic import context

from ronde.adapters.ledger.tables import metadata

# transactional_ddl: SQLite has it too, once the driver does not end transactions by itself; ours begin by hand.
context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=False,
)
context.run_migrations()

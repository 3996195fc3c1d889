"""weeks of vendors that begin them on any day, and all bars of Interactive Brokers (volumes in hundreds), are fetched anew"""

from alembic import op


revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None


def upgrade() -> None:
    weeks = " OR ".join(f"adjustment LIKE '{name}/%'" for name in ('yahoo', 'polygon', 'finnhub'))
    for table in ('bars', 'bar_coverage', 'bar_gaps', 'bar_corrections'):
        op.execute(f"DELETE FROM {table} WHERE (timeframe = '1w' AND ({weeks})) OR adjustment LIKE 'interactive_brokers/%'")


def downgrade() -> None:
    pass  # bars are fetched again as the older version knows them

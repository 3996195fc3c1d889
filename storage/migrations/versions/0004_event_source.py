"""events say which provider's bars they were judged on; hours of vendors that count them by the clock are fetched anew"""

from alembic import op
import sqlalchemy as sa


revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None


def upgrade() -> None:
    hours = "timeframe IN ('1h', '2h', '4h', '8h')"
    vendors = " OR ".join(f"adjustment LIKE '{name}/%'" for name in ('polygon', 'finnhub', 'alpha_vantage', 'interactive_brokers'))
    for table in ('bars', 'bar_coverage', 'bar_gaps'):
        op.execute(f"DELETE FROM {table} WHERE {hours} AND ({vendors})")
    op.add_column('alert_events', sa.Column('source', sa.String(length=40), server_default='', nullable=False))


def downgrade() -> None:
    op.drop_column('alert_events', 'source')  # not as a batch: triggers of other tables name this one

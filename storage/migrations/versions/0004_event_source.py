"""events say which provider's bars they were judged on"""

from alembic import op
import sqlalchemy as sa


revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('alert_events', sa.Column('source', sa.String(length=40), server_default='', nullable=False))


def downgrade() -> None:
    op.drop_column('alert_events', 'source')  # not as a batch: triggers of other tables name this one

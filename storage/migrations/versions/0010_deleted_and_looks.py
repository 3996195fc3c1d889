"""alerts that were deleted and can be brought back, when alerts looked last; events are found by when they were recorded"""

from alembic import op
import sqlalchemy as sa

from storage.types import Json, UtcDateTime


revision = '0010'
down_revision = '0009'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('deleted_alerts',
    sa.Column('user_id', sa.String(length=64), nullable=False),
    sa.Column('id', sa.String(length=255), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('definition', Json(), nullable=False),
    sa.Column('enabled', sa.Boolean(), nullable=False),
    sa.Column('deleted_at', UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('user_id', 'id')
    )
    op.create_index('ix_deleted_alerts_at', 'deleted_alerts', ['deleted_at'])
    op.create_table('alert_looks',
    sa.Column('alert_id', sa.String(length=255), nullable=False),
    sa.Column('looked_at', UtcDateTime(), nullable=False),
    sa.Column('bar_close', UtcDateTime(), nullable=True),
    sa.Column('values', Json(), nullable=True),
    sa.Column('problem', sa.String(length=300), server_default='', nullable=False),
    sa.PrimaryKeyConstraint('alert_id')
    )
    op.create_index('ix_alert_events_recorded', 'alert_events', ['recorded_at', 'id'])


def downgrade() -> None:
    op.drop_index('ix_alert_events_recorded', 'alert_events')
    op.drop_table('alert_looks')
    op.drop_table('deleted_alerts')

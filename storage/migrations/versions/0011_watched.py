"""alerts that a watch looks after"""

from alembic import op
import sqlalchemy as sa

from storage.types import UtcDateTime


revision = '0011'
down_revision = '0010'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('watched_alerts',
    sa.Column('alert_id', sa.String(length=255), nullable=False),
    sa.Column('symbol', sa.String(length=64), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('revision', sa.BigInteger(), nullable=False),
    sa.Column('until', UtcDateTime(), nullable=True),
    sa.Column('noted_at', UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('alert_id')
    )
    op.create_index('ix_watched_alerts_noted', 'watched_alerts', ['noted_at'])


def downgrade() -> None:
    op.drop_index('ix_watched_alerts_noted', 'watched_alerts')
    op.drop_table('watched_alerts')

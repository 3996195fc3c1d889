"""market data: holes, corrections, backfills, and what data jobs collect"""

from alembic import op
import sqlalchemy as sa

from storage.types import Json, UtcDateTime


revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None

SERIAL = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')
TABLES = (
    'bar_gaps', 'bar_corrections', 'bar_coverage', 'data_stage', 'stock_quotes', 'option_contracts', 'company_profiles',
    'earnings', 'earnings_calendar', 'news', 'economic_events',
)


def upgrade() -> None:
    with op.batch_alter_table('bars', schema=None) as batch:
        batch.alter_column('adjustment', existing_type=sa.String(length=16), type_=sa.String(length=40), existing_nullable=False)
    # earlier daily bars closed a day after they opened, and not with their session
    op.execute("DELETE FROM bars WHERE timeframe IN ('1d', '1w')")
    op.create_table('bar_gaps',
    sa.Column('symbol', sa.String(length=64), nullable=False),
    sa.Column('timeframe', sa.String(length=8), nullable=False),
    sa.Column('adjustment', sa.String(length=40), nullable=False),
    sa.Column('gap_start', UtcDateTime(), nullable=False),
    sa.Column('gap_end', UtcDateTime(), nullable=False),
    sa.Column('found_at', UtcDateTime(), nullable=False),
    sa.Column('filled', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('symbol', 'timeframe', 'adjustment', 'gap_start')
    )
    op.create_table('bar_corrections',
    sa.Column('id', SERIAL, autoincrement=True, nullable=False),
    sa.Column('symbol', sa.String(length=64), nullable=False),
    sa.Column('timeframe', sa.String(length=8), nullable=False),
    sa.Column('adjustment', sa.String(length=40), nullable=False),
    sa.Column('open_time', UtcDateTime(), nullable=False),
    sa.Column('seen_at', UtcDateTime(), nullable=False),
    sa.Column('old_values', Json(), nullable=False),
    sa.Column('new_values', Json(), nullable=False),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_index('ix_bar_corrections_bar', 'bar_corrections', ['symbol', 'timeframe', 'open_time'])
    op.create_table('bar_coverage',
    sa.Column('symbol', sa.String(length=64), nullable=False),
    sa.Column('timeframe', sa.String(length=8), nullable=False),
    sa.Column('adjustment', sa.String(length=40), nullable=False),
    sa.Column('window_start', UtcDateTime(), nullable=False),
    sa.Column('window_end', UtcDateTime(), nullable=False),
    sa.Column('bars', sa.Integer(), nullable=False),
    sa.Column('fetched_at', UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('symbol', 'timeframe', 'adjustment', 'window_start')
    )
    op.create_table('data_stage',
    sa.Column('run_id', sa.String(length=36), nullable=False),
    sa.Column('symbol', sa.String(length=64), nullable=False),
    sa.Column('step', sa.String(length=16), nullable=False),
    sa.Column('source', sa.String(length=32), nullable=False),
    sa.Column('payload', Json(), nullable=True),
    sa.Column('error', sa.Text(), nullable=False),
    sa.Column('at', UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('run_id', 'symbol', 'step')
    )
    op.create_index('ix_data_stage_at', 'data_stage', ['at'])
    op.create_table('stock_quotes',
    sa.Column('symbol', sa.String(length=64), nullable=False),
    sa.Column('at', UtcDateTime(), nullable=False),
    sa.Column('price', sa.Float(), nullable=False),
    sa.Column('open', sa.Float(), nullable=True),
    sa.Column('high', sa.Float(), nullable=True),
    sa.Column('low', sa.Float(), nullable=True),
    sa.Column('previous_close', sa.Float(), nullable=True),
    sa.Column('change_percent', sa.Float(), nullable=True),
    sa.Column('volume', sa.Float(), nullable=True),
    sa.Column('source', sa.String(length=32), nullable=False),
    sa.Column('stored_at', UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('symbol', 'at')
    )
    op.create_table('option_contracts',
    sa.Column('contract', sa.String(length=64), nullable=False),
    sa.Column('underlying', sa.String(length=64), nullable=False),
    sa.Column('expiration', sa.Date(), nullable=False),
    sa.Column('strike', sa.Float(), nullable=False),
    sa.Column('side', sa.String(length=4), nullable=False),
    sa.Column('at', UtcDateTime(), nullable=False),
    sa.Column('bid', sa.Float(), nullable=True),
    sa.Column('ask', sa.Float(), nullable=True),
    sa.Column('last', sa.Float(), nullable=True),
    sa.Column('volume', sa.Float(), nullable=True),
    sa.Column('open_interest', sa.Float(), nullable=True),
    sa.Column('implied_volatility', sa.Float(), nullable=True),
    sa.Column('delta', sa.Float(), nullable=True),
    sa.Column('gamma', sa.Float(), nullable=True),
    sa.Column('theta', sa.Float(), nullable=True),
    sa.Column('vega', sa.Float(), nullable=True),
    sa.Column('source', sa.String(length=32), nullable=False),
    sa.Column('stored_at', UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('contract')
    )
    op.create_index('ix_option_contracts_underlying', 'option_contracts', ['underlying', 'expiration', 'strike'])
    op.create_table('company_profiles',
    sa.Column('symbol', sa.String(length=64), nullable=False),
    sa.Column('at', UtcDateTime(), nullable=False),
    sa.Column('name', sa.String(length=500), nullable=False),
    sa.Column('exchange', sa.String(length=500), nullable=False),
    sa.Column('currency', sa.String(length=500), nullable=False),
    sa.Column('country', sa.String(length=500), nullable=False),
    sa.Column('sector', sa.String(length=500), nullable=False),
    sa.Column('industry', sa.String(length=500), nullable=False),
    sa.Column('market_cap', sa.Float(), nullable=True),
    sa.Column('shares_outstanding', sa.Float(), nullable=True),
    sa.Column('listed_on', sa.Date(), nullable=True),
    sa.Column('website', sa.String(length=500), nullable=False),
    sa.Column('description', sa.Text(), nullable=False),
    sa.Column('source', sa.String(length=32), nullable=False),
    sa.Column('stored_at', UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('symbol')
    )
    op.create_table('earnings',
    sa.Column('symbol', sa.String(length=64), nullable=False),
    sa.Column('frequency', sa.String(length=12), nullable=False),
    sa.Column('period', sa.Date(), nullable=False),
    sa.Column('reported_on', sa.Date(), nullable=True),
    sa.Column('actual', sa.Float(), nullable=True),
    sa.Column('estimate', sa.Float(), nullable=True),
    sa.Column('surprise_percent', sa.Float(), nullable=True),
    sa.Column('source', sa.String(length=32), nullable=False),
    sa.Column('stored_at', UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('symbol', 'frequency', 'period')
    )
    op.create_table('earnings_calendar',
    sa.Column('symbol', sa.String(length=64), nullable=False),
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('hour', sa.String(length=16), nullable=False),
    sa.Column('fiscal_period', sa.Date(), nullable=True),
    sa.Column('estimate', sa.Float(), nullable=True),
    sa.Column('actual', sa.Float(), nullable=True),
    sa.Column('currency', sa.String(length=500), nullable=False),
    sa.Column('source', sa.String(length=32), nullable=False),
    sa.Column('stored_at', UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('symbol', 'day')
    )
    op.create_index('ix_earnings_calendar_day', 'earnings_calendar', ['day'])
    op.create_table('news',
    sa.Column('symbol', sa.String(length=64), nullable=False),
    sa.Column('id', sa.String(length=32), nullable=False),
    sa.Column('published_at', UtcDateTime(), nullable=False),
    sa.Column('headline', sa.Text(), nullable=False),
    sa.Column('summary', sa.Text(), nullable=False),
    sa.Column('url', sa.Text(), nullable=False),
    sa.Column('publisher', sa.String(length=500), nullable=False),
    sa.Column('sentiment', sa.Float(), nullable=True),
    sa.Column('source', sa.String(length=32), nullable=False),
    sa.Column('stored_at', UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('symbol', 'id')
    )
    op.create_index('ix_news_published', 'news', ['symbol', 'published_at'])
    op.create_table('economic_events',
    sa.Column('id', sa.String(length=32), nullable=False),
    sa.Column('at', UtcDateTime(), nullable=False),
    sa.Column('country', sa.String(length=500), nullable=False),
    sa.Column('event', sa.String(length=500), nullable=False),
    sa.Column('impact', sa.String(length=500), nullable=False),
    sa.Column('actual', sa.Float(), nullable=True),
    sa.Column('estimate', sa.Float(), nullable=True),
    sa.Column('previous', sa.Float(), nullable=True),
    sa.Column('unit', sa.String(length=500), nullable=False),
    sa.Column('source', sa.String(length=32), nullable=False),
    sa.Column('stored_at', UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_index('ix_economic_events_at', 'economic_events', ['at'])


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)
    op.execute("DELETE FROM bars WHERE length(adjustment) > 16 OR timeframe IN ('1d', '1w')")
    with op.batch_alter_table('bars', schema=None) as batch:
        batch.alter_column('adjustment', existing_type=sa.String(length=40), type_=sa.String(length=16), existing_nullable=False)

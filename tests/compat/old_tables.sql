-- The tables as the earlier scheduler made them, with the rows that its documentation gives.
CREATE TABLE usr_users (id SERIAL PRIMARY KEY, email VARCHAR(255));
INSERT INTO usr_users (id, email) VALUES (1, 'a@example.com'), (123, 'b@example.com');

CREATE TABLE job_schedules (
    id SERIAL PRIMARY KEY,
    user_id INTEGER NOT NULL REFERENCES usr_users (id),
    name VARCHAR(255) NOT NULL,
    job_type VARCHAR(50) NOT NULL CHECK (job_type IN ('report', 'screener', 'alert', 'notification', 'data_processing', 'backup')),
    target VARCHAR(255) NOT NULL,
    task_params JSONB NOT NULL DEFAULT '{}',
    cron VARCHAR(100) NOT NULL,
    enabled BOOLEAN NOT NULL DEFAULT TRUE,
    next_run_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW()
);
CREATE INDEX idx_job_schedules_user_id ON job_schedules (user_id);
CREATE INDEX idx_job_schedules_enabled ON job_schedules (enabled) WHERE enabled;
CREATE INDEX idx_job_schedules_params ON job_schedules USING gin (task_params);

CREATE TABLE job_schedule_runs (
    id BIGSERIAL PRIMARY KEY,
    run_id UUID NOT NULL UNIQUE,
    job_type VARCHAR(50) NOT NULL,
    job_id INTEGER REFERENCES job_schedules (id),
    user_id INTEGER NOT NULL,
    status VARCHAR(20) NOT NULL CHECK (status IN ('PENDING', 'RUNNING', 'COMPLETED', 'FAILED', 'CANCELLED')),
    scheduled_for TIMESTAMP WITH TIME ZONE NOT NULL,
    enqueued_at TIMESTAMP WITH TIME ZONE NOT NULL,
    started_at TIMESTAMP WITH TIME ZONE,
    finished_at TIMESTAMP WITH TIME ZONE,
    job_snapshot JSONB NOT NULL,
    result JSONB,
    error TEXT,
    worker_id VARCHAR(100)
);
CREATE INDEX idx_runs_status ON job_schedule_runs (status, scheduled_for);

INSERT INTO job_schedules (user_id, name, job_type, target, task_params, cron, enabled) VALUES
    (123, 'AAPL RSI Alert', 'alert', 'AAPL',
     '{"ticker": "AAPL", "timeframe": "1h", "rule": {"operator": "and", "conditions": [{"indicator": "rsi", "operator": ">", "value": 70}, {"indicator": "price", "operator": ">", "value": 150}]}, "rearm": {"type": "hysteresis", "threshold": 0.02, "cooldown": 300}, "notify": {"channels": ["telegram"], "message_template": "Alert triggered for {ticker}"}}',
     '*/15 * * * *', TRUE),
    (123, 'Daily report', 'report', 'daily_summary',
     '{"report_type": "daily_summary", "parameters": {"symbols": ["AAPL", "MSFT"], "timeframe": "1d", "include_charts": true}}',
     '0 18 * * 1-5', TRUE),
    (1, 'SP500 screener', 'screener', 'sp500',
     '{"screener_set": "sp500", "filter_criteria": {"min_market_cap": 1000000000, "max_pe_ratio": 25, "min_volume": 100000}, "top_n": 50}',
     '0 9 * * 1-5', TRUE),
    (1, 'My tickers', 'screener', 'AAPL,MSFT,GOOGL', '{"top_n": 10}', '0 9 * * 1-5', TRUE),
    (1, 'Earnings', 'data_processing', 'earnings',
     '{"data_source": "yahoo", "operations": ["fetch", "normalize", "cache"], "symbols": ["AAPL", "MSFT"], "kind": "earnings_data"}',
     '0 */6 * * *', TRUE),
    (1, 'Bad rule', 'alert', 'AAPL', '{"ticker": "AAPL", "rule": {"operator": "and", "conditions": []}}', '*/15 * * * *', TRUE),
    (123, 'Condition as target', 'alert', 'AAPL > 150', '{}', '*/5 * * * *', FALSE);
INSERT INTO job_schedule_runs (run_id, job_type, job_id, user_id, status, scheduled_for, enqueued_at, started_at, finished_at, job_snapshot, result) VALUES
    ('550e8400-e29b-41d4-a716-446655440000', 'alert', 1, 123, 'COMPLETED', '2025-01-15 10:00:00+00', '2025-01-15 10:00:00+00', '2025-01-15 10:00:01+00', '2025-01-15 10:00:02+00', '{"name": "AAPL RSI Alert"}', '{"triggered": false}'),
    ('550e8400-e29b-41d4-a716-446655440001', 'alert', 1, 123, 'FAILED', '2025-01-15 10:00:00+00', '2025-01-15 10:00:00+00', NULL, NULL, '{}', NULL),
    ('550e8400-e29b-41d4-a716-446655440002', 'report', 2, 123, 'RUNNING', '2025-01-15 18:00:00+00', '2025-01-15 18:00:00+00', '2025-01-15 18:00:00+00', NULL, '{}', NULL),
    ('550e8400-e29b-41d4-a716-446655440003', 'report', 2, 123, 'PENDING', '2025-01-16 18:00:00+00', '2025-01-16 18:00:00+00', NULL, NULL, '{}', NULL);

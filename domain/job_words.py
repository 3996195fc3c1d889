"""Words of jobs' parameters that more than one module knows."""

from __future__ import annotations

from typing import Literal, get_args

ReportType = Literal["daily_summary", "portfolio_analysis", "performance_report"]
Operation = Literal["fetch", "normalize", "cache", "indicators"]
REPORT_TYPES: tuple[str, ...] = get_args(ReportType)
OPERATIONS: tuple[str, ...] = get_args(Operation)  # in the order in which they are done
CUSTOM = "custom"  # the set of a screener that names its tickers itself

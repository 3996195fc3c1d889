"""Parameters of a report: on which tickers, over how long, and how it looks."""

from __future__ import annotations

from pydantic import Field

from domain.job_params import Told, WithFrame
from domain.job_words import ReportType
from domain.ticker import Ticker


class ReportParams(Told, WithFrame):
    """A report. ``symbols`` may be left out: then it is on what the user holds, and a daily summary on the alerts' tickers too.

    ``lookback`` is in bars and for a portfolio, ``days`` for the record of alerts. ``benchmark`` is what beta is against;
    ``risk_free_rate`` is a fraction a year. ``pdf`` needs the extra of that name.
    """

    report_type: ReportType = "daily_summary"
    symbols: tuple[Ticker, ...] = Field(default=(), min_length=1, max_length=2000)
    include_charts: bool = Field(default=True, strict=True)
    pdf: bool = Field(default=False, strict=True)
    top_n: int = Field(default=10, ge=1, le=100)
    lookback: int = Field(default=252, ge=20, le=5000)
    benchmark: Ticker = "SPY"
    risk_free_rate: float = Field(default=0.0, ge=-0.5, le=1.0)
    days: int = Field(default=30, ge=1, le=730)

    def warnings(self) -> list[str]:
        """Risk is measured on bars of a day or longer."""
        if self.report_type == "portfolio_analysis" and self.timeframe.is_intraday:
            return [f"timeframe {self.timeframe} has no effect: a portfolio's risk is measured on daily bars"]
        return []

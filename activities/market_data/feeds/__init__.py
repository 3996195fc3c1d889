"""Bars as they come: one feed a provider, ticker and timeframe, kept fresh, joined and stored."""

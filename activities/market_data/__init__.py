"""Bars for alerts and jobs: calendars, quality, vendors, feeds, and failover over them."""

"""Servers that speak the vendors' formats, faults included."""

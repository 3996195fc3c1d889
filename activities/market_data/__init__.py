"""Bars from vendors: one module a provider, one normal form, one cache."""

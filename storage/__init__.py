"""Definitions, events, bars and deliveries in SQL."""

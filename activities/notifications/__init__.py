"""Telling people: one module a channel, one text for all its retries."""

"""Deterministic orchestration, one module a workflow."""

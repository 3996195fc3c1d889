"""Imports every module of tables, so that ``Base.metadata`` has them all; who needs one table imports its module alone."""

from storage import data_tables, job_tables, tables

__all__ = ["data_tables", "job_tables", "tables"]

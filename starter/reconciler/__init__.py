"""Keeps Temporal in line with the rows of ``job_schedules``: what is there, what is to be done, doing it."""

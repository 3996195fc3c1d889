"""Reports: what they measure, and how they look."""


class NoPdf(Exception):
    """The extra is not installed, or its libraries are not there."""

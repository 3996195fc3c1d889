"""Reports: what they measure, and how they look."""

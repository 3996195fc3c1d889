"""The ``alerts`` command."""

"""The API on a real database of each kind, as the API's own tests have it."""

from tests.starter.api.conftest import api

__all__ = ["api"]

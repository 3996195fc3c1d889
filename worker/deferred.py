"""The base of parts of the settings: checked as one model, which alone is built, when it is first used."""

from __future__ import annotations

from pydantic_settings import BaseSettings, SettingsConfigDict


class PartOfSettings(BaseSettings):
    """Building each part's own checks as well would take a command some 40 ms."""

    model_config = SettingsConfigDict(defer_build=True)

"""TradingView Lightweight Charts 5.2.1 from its npm package (Apache License 2.0, see LICENSE.txt): pages need no network."""

from importlib.resources import files


def script() -> str:
    """The library."""
    return files(__name__).joinpath("lightweight-charts.js").read_text(encoding="utf-8")

"""What columns are called: by exporters, and in the languages of their pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

TIME = (
    "time", "date", "datetime", "timestamp", "data", "datum", "fecha", "дата", "tarih", "unix", "unix timestamp", "open_time",
    "open time", "window_start", "date time", "date/time",
)  # fmt: skip
CLOCK = ("time", "hour", "zeit", "uhrzeit", "hora", "heure", "ora")  # of a second column beside the day
FIELDS: Mapping[str, Sequence[str]] = {
    name: tuple(words.split("|"))
    for name, words in {
        "open": "open|opening|first|otwarcie|eröffn.|eröffnung|erster|eröffnungskurs|abertura|apertura|ouv.|ouverture|откр."
        "|açılış|öppen",
        "high": "high|max|najwyzszy|hoch|tageshoch|höchst|máxima|máximo|maximo|massimo|plus haut|haut|макс.|yüksek|högst",
        "low": "low|min|najnizszy|tief|tagestief|tiefst|mínima|mínimo|minimo|plus bas|bas|мин.|düşük|lägst",
        "close": "close|close/last|last|price|settle|closing|zamkniecie|zuletzt|schluss|schlusskurs|letzter|kurs|último|ultimo"
        "|cierre|chiusura|dernier|clôture|цена|şimdi|senaste",
        "volume": "volume|vol|vol.|tick_volume|tickvol|volume_(btc)|base volume|wolumen|stuecke|stücke|volumen|объём|hac.|volym",
    }.items()
}
KNOWN = frozenset((*TIME, *CLOCK, *(word for words in FIELDS.values() for word in words), "ticker", "adj close"))


def place(header: Sequence[str], words: Sequence[str]) -> int | None:
    """The column that has one of these names, the first name first."""
    return next((header.index(word) for word in words if word in header), None)

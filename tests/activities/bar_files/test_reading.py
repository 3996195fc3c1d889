"""Every format that traders have is read, or refused by line with what must be said."""

from __future__ import annotations

import gzip
import math
import zipfile
from contextlib import suppress
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from activities.bar_files import formats
from activities.bar_files.reading import Options, bars_of, read_bar_file, read_bars_csv
from activities.bar_files.sheet import Sheet
from domain.errors import InvalidInput
from tests.activities.bar_files import page
from tests.activities.bar_files.examples import READ, REFUSED, Example


def written(folder: Path, data: str | bytes, name: str = "bars.csv") -> Path:
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def refusal(path: Path, **options: str) -> str:
    with pytest.raises(InvalidInput) as caught:
        read_bar_file(path, Options(**options))  # type: ignore[arg-type]
    return "\n".join(map(str, caught.value.faults))


@pytest.mark.parametrize("example", READ, ids=lambda one: one.title)
def test_a_traders_file_is_read(tmp_path: Path, example: Example) -> None:
    found = read_bar_file(written(tmp_path, example.text), Options(**example.options))
    table = found.table
    assert found.format.name == example.format
    assert f"{datetime.fromtimestamp(int(table.open_time[0]), UTC):%Y-%m-%d %H:%M}" == example.first
    assert table.interval.total_seconds() / 60 == example.minutes
    closes, volumes = table.columns["close"], table.columns["volume"]
    assert closes.tolist() == pytest.approx([close for close, _ in example.rows])
    assert [None if math.isnan(one) else one for one in volumes] == pytest.approx(
        [volume for _, volume in example.rows]
    )
    assert (np.diff(table.open_time) > 0).all()
    assert ((table.columns["low"] <= closes) & (closes <= table.columns["high"])).all()
    assert example.notes in "; ".join(found.notes)


@pytest.mark.parametrize("example", READ, ids=lambda one: one.title)
def test_the_quick_way_and_the_slow_one_read_the_same(
    tmp_path: Path, example: Example, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, options = written(tmp_path, example.text), Options(**example.options)
    quick = read_bar_file(path, options).table
    monkeypatch.setattr(Sheet, "is_even", False)
    slow = read_bar_file(path, options).table
    assert quick.open_time.tolist() == slow.open_time.tolist()
    assert quick.interval == slow.interval
    for name, column in quick.columns.items():
        np.testing.assert_allclose(column, slow.columns[name], rtol=1e-12)


@pytest.mark.parametrize("name", formats.NAMES)
def test_another_programs_file_is_read_or_refused(tmp_path: Path, name: str) -> None:
    """Whatever format is said of it; nothing but refusals ends the reading."""
    said = []
    for example in READ:
        try:
            read_bar_file(written(tmp_path, example.text), Options(**{**example.options, "format": name}))
        except InvalidInput as error:
            said.append(str(error))
    assert said


def test_a_file_that_is_cut_anywhere_is_read_or_refused(tmp_path: Path) -> None:
    for example in READ:
        for at in range(0, len(example.text), 7):
            for tail in ("", '"', "\n,,,;\t"):
                with suppress(InvalidInput):
                    read_bar_file(written(tmp_path, example.text[:at] + tail), Options(**example.options))


@pytest.mark.parametrize(("title", "text", "options", "words"), REFUSED, ids=[one[0] for one in REFUSED])
def test_what_cannot_be_read_is_refused_in_a_few_words(
    tmp_path: Path, title: str, text: str, options: dict[str, str], words: str
) -> None:
    said = refusal(written(tmp_path, text), **options)
    assert words in said
    assert len(said.splitlines()) <= 21


@pytest.mark.parametrize(
    "example",
    [one for one in READ if one.title in ("TradingView, UNIX seconds", "Investing.com in German")],
    ids=lambda one: one.title,
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
@pytest.mark.parametrize("packed", ["plain", "gz", "zip"])
def test_encodings_and_archives(tmp_path: Path, example: Example, encoding: str, packed: str) -> None:
    data = example.text.encode(encoding)
    if packed == "gz":
        data = gzip.compress(data)
    if packed == "zip":
        buffer = BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("BTCUSDT.csv", data)
            archive.writestr("BTCUSDT.CHECKSUM", "x")
        data = buffer.getvalue()
    found = read_bar_file(written(tmp_path, data, f"bars.{packed}"), Options(**example.options))
    assert found.table.columns["close"].tolist() == [close for close, _ in example.rows]


def zipped(text: str) -> bytes:
    """As macOS does it: beside each file one of its own."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("bars.csv", text)
        archive.writestr("__MACOSX/._bars.csv", "x")
    return buffer.getvalue()


def test_archives_that_hold_no_one_table_are_refused(tmp_path: Path) -> None:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.csv", READ[0].text)
        archive.writestr("b.csv", READ[0].text)
    assert "is an archive that holds a.csv, b.csv; expected one table" in refusal(
        written(tmp_path, buffer.getvalue(), "x.zip")
    )
    assert "cannot be read" in refusal(written(tmp_path, b"PK\x03\x04broken", "y.zip"))
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a.csv", READ[0].text * 50)
        archive.writestr("__MACOSX/._a.csv", "x")
    assert len(read_bar_file(written(tmp_path, zipped(READ[0].text), "m.zip"), Options()).table) == 2
    broken = bytearray(packed.getvalue())
    broken[60:90] = bytes(30)
    assert "cannot be read" in refusal(written(tmp_path, bytes(broken), "l.zip"))
    assert "cannot be read" in refusal(written(tmp_path, gzip.compress(b"time,open")[:12], "z.gz"))
    assert "is no text" in refusal(written(tmp_path, b"\xff\xfe\x00", "w.csv"))


def test_all_faults_are_told_by_line(tmp_path: Path) -> None:
    lines = [
        "# exported by me",
        "time,open,high,low,close,volume",
        "2024-01-02,10,12,9,11,1",
        "",
        "2024-01-03,10,12,9,13,-1",
        "2024-01-04,0,12,9,11,1",
    ]
    said = refusal(written(tmp_path, "\n".join(lines)))
    assert said.splitlines() == [
        "line 5.volume: expected 0 or more (got -1.0)",
        "line 5.close: is above the high (got 13.0)",
        "line 6.open: expected a price above 0 (got 0.0)",
        "line 6.open: is below the low (got 0.0)",
    ]


def test_a_rounded_price_widens_its_range(tmp_path: Path) -> None:
    table = read_bars_csv(written(tmp_path, "time,open,high,low,close\n2024-01-02,10,12.0000,9,12.0005\n"))
    assert (table.columns["high"][0], table.columns["close"][0]) == (12.0005, 12.0005)


def test_months_close_as_the_next_begins(tmp_path: Path) -> None:
    example = next(one for one in READ if one.title.startswith("months"))
    bars = list(read_bars_csv(written(tmp_path, example.text)).bars())
    assert [f"{bar.close_time:%m-%d}" for bar in bars] == ["02-01", "03-01", "04-01"]
    for title, closes in (
        ("months of Tokyo", ["03-01", "04-01", "05-01"]),
        ("months named", ["02-01", "03-01", "04-01"]),
    ):
        example = next(one for one in READ if one.title.startswith(title))
        table = read_bars_csv(written(tmp_path, example.text))
        assert [f"{bar.close_time:%m-%d}" for bar in table.bars()] == closes


def test_rows_of_a_request_are_read_alike() -> None:
    table = bars_of([{"time": "2024-01-02T00:00:00Z", "open": 1, "high": 2, "low": 0.5, "close": 1.5, "volume": None}])
    assert math.isnan(table.columns["volume"][0])
    with pytest.raises(InvalidInput) as caught:
        bars_of([{"time": "soon", "open": 1, "high": 2, "low": 0.5, "close": 3.0, "volume": 1}])
    assert [one.path for one in caught.value.faults] == ["$.bars[0].time"]
    with pytest.raises(InvalidInput) as caught:
        bars_of([{"time": "03/04/2024", "open": 1, "high": 2, "low": 0.5, "close": 1.0, "volume": 1}])
    assert [one.path for one in caught.value.faults] == ["$.bars[0].time"]


def test_names_of_formats_are_words_of_a_command() -> None:
    assert len(set(formats.NAMES)) == len(formats.NAMES)
    assert all(name.replace("_", "").isalnum() and name.islower() for name in formats.NAMES)
    assert all(one.zone or one.zone_hint for one in formats.FORMATS), "who is asked for a zone is told whose it is"


def test_the_page_shows_these_examples() -> None:
    assert page.PAGE.read_text(encoding="utf-8") == page.page(), "run make generated"

"""Charts: which panes a rule has, where its marks are, and that every kind of file is one."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from activities.bar_table import BarTable
from activities.charting.dates import round_ticks
from activities.charting.model import FIRED, REARMED, Chart, chart_of
from activities.charting.page import page
from activities.charting.still import _groups, draw
from activities.charting.theme import THEMES
from activities.preview import preview
from domain.alert import Alert
from domain.definition import read_definition

RULES = {
    "an oscillator and an average": ("rsi(14) > 60 and close > sma(50)", ["price", "volume", "rsi(14)"]),
    "a cross of outputs": ("macd crosses_above macdsignal", ["price", "volume", "macd(12, 26, 9)"]),
    "a band": ("close > bbands(20).upperband", ["price", "volume"]),
    "volume": ("volume > 1.2 * sma(volume, 20)[1]", ["price", "volume"]),
    "a ratio": ("close / sma(50) - 1 > 1%", ["price", "volume", "close / sma(50) - 1"]),
    "a change": ("change_pct(close, 5) < -1 or rsi(2) < 5", ["price", "volume", "change_pct(close, 5)", "rsi(2)"]),
    "a longer frame": ("rsi(14)@1w > 50", ["price", "volume", "rsi(14)@1w"]),
    "a mean price": ("(high + low) / 2 > sma(20)", ["price", "volume"]),
}


def table(size: int = 400) -> BarTable:
    start = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp())
    random = np.random.default_rng(5)
    close = 100 * np.exp(np.cumsum(random.normal(0, 0.01, size)))
    opened = np.concatenate([[100.0], close[:-1]])
    columns = {
        "open": opened, "high": np.maximum(opened, close) * 1.004, "low": np.minimum(opened, close) * 0.996, "close": close,
        "volume": random.uniform(1e6, 5e6, size),
    }  # fmt: skip
    return BarTable(start + 86_400 * np.arange(size), columns, timedelta(days=1))


def chart(rule: str, bars: BarTable, begin: int = 0, **more: object) -> Chart:
    definition = {"symbol": "X", "timeframe": "1d", "rule": rule, "name": "<b>a & b</b> \u2028", **more}
    definition["name"] = str(definition["name"]).replace("\u2028", "")
    alert = Alert(id="a", definition=read_definition(definition))
    found = preview(alert, bars)
    happened = [(row, event.kind.value) for row, event in found.events if event.kind.value in (FIRED, REARMED)]
    return chart_of(alert, bars, found.columns, happened, begin)


@pytest.mark.parametrize(("rule", "panes"), RULES.values(), ids=RULES)
def test_a_rule_has_its_panes_and_its_marks_where_they_were_caused(rule: str, panes: list[str]) -> None:
    made = chart(rule, table())
    assert [pane.title for pane in made.panes] == panes
    fires = {mark.row for pane in made.panes for mark in pane.marks if mark.kind == FIRED}
    assert fires
    for pane in made.panes:
        for mark in pane.marks:
            assert np.isfinite(mark.value)
    for theme in THEMES:
        for size in (None, (400, 420)):
            assert draw(made, "png", theme, size).startswith(b"\x89PNG")


def test_a_cross_is_seen_with_all_outputs_and_marked_in_its_own_pane() -> None:
    made = chart("macd crosses_above macdsignal", table())
    macd = made.panes[-1]
    assert [(line.label, line.histogram) for line in macd.lines] == [
        ("macd(12, 26, 9)", False), ("macd(12, 26, 9).macdsignal", False), ("macd(12, 26, 9).macdhist", True),
    ]  # fmt: skip
    assert macd.marks
    assert not made.panes[0].marks, "the price has not caused it"


def test_of_two_conditions_only_that_which_was_true_is_marked() -> None:
    made = chart("rsi(2) < 5 or close > 1000", table())
    assert made.panes[-1].marks
    assert not made.panes[0].marks


def test_bands_are_on_the_price_and_thresholds_in_their_pane() -> None:
    bands = chart("close > bbands(20).upperband", table()).panes[0]
    assert [line.band for line in bands.lines] == [True, False, True]
    rsi = chart("rsi(14) between 30 and 70", table()).panes[-1]
    assert rsi.levels == [30, 70]


def test_rows_before_the_beginning_are_left_off() -> None:
    whole, part = chart("rsi(14) > 60", table()), chart("rsi(14) > 60", table(), begin=300)
    assert len(part.table) == 100
    assert [mark.row + 300 for mark in part.panes[-1].marks] == [
        mark.row for mark in whole.panes[-1].marks if mark.row >= 300
    ]
    assert np.isfinite(part.panes[-1].lines[0].values).all(), "the indicator was warm"


def test_marks_that_would_lie_upon_each_other_are_one() -> None:
    marks = chart("close > 1", table(60), rearm="simple").panes[0].marks
    assert len(marks) == 60
    assert len(_groups(marks, per_row=2.0, letters=10.0)) == 8, "sixteen pixels each"
    assert len(_groups(marks, per_row=20.0, letters=10.0)) == 60


def test_an_svg_is_one_and_its_texts_are_texts() -> None:
    found = draw(chart("rsi(14) > 60", table()), "svg").decode()
    root = ElementTree.fromstring(found)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    texts = ["".join(one.itertext()) for one in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "<b>a & b</b>" in "".join(texts)
    assert "image" not in {one.tag.rpartition("}")[2] for one in root.iter()}, "lines, no picture in a picture"


@pytest.mark.parametrize(
    ("minutes", "count", "labels"),
    [
        (1, 300, ["5 Jan 10:00", "10:30", "11:00", "11:30", "12:00"]),
        (60, 300, ["6 Jan 2026", "8 Jan", "10 Jan", "12 Jan", "14 Jan", "16 Jan"]),
        (1440, 300, ["Feb 2026", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct"]),
    ],
)
def test_labels_stand_at_round_times(minutes: int, count: int, labels: list[str]) -> None:
    start = int(datetime(2026, 1, 5, 9, 30, tzinfo=ZoneInfo("America/New_York")).timestamp())
    times = [start + 60 * minutes * row for row in range(count)]
    found = [text for _, text in round_ticks(times, ZoneInfo("America/New_York"), 10)]
    assert found[: len(labels)] == labels
    assert len(found) <= 10


def test_a_page_holds_everything_and_nothing_that_a_name_could_end() -> None:
    found = page(chart("rsi(14) > 60", table(), name="</script><script>alert(1)</script>"))
    assert "http" not in re.sub(r"<script>/\*!.*?</script>", "", found, flags=re.S).replace("http-equiv", "")
    assert "<script>alert" not in found
    data = json.loads(re.search(r'id="data">(.*?)</script>', found, re.S)[1])  # type: ignore[index]
    assert len(data["bars"]) == 400
    assert [pane["kind"] for pane in data["panes"]] == ["price", "volume", "values"]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_browser_draws_the_page(theme: str, tmp_path: Path) -> None:
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("there is no chromium here")
    file = tmp_path / "chart.html"
    file.write_text(page(chart("macd crosses_above macdsignal", table())), encoding="utf-8")
    done = subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}", "--virtual-time-budget=3000", "--dump-dom",
         f"{file.as_uri()}?theme={theme}"],
        capture_output=True, text=True, timeout=90, check=True,
    )  # fmt: skip
    assert 'data-drawn="yes"' in done.stdout, done.stderr
    assert done.stdout.count("<canvas") >= 6
    assert "macd(12, 26, 9).macdsignal" in done.stdout

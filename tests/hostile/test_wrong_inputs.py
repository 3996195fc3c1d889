"""What people type wrong, and the words they get: what is wrong, what was expected, and where there is one, what was meant."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from starter.cli.main import _run

ROOT = Path(__file__).parents[2]
RULES = [
    ("rsii(14) > 70", "did you mean rsi?"),
    ("aapl > 150", "a ticker is written in capitals: AAPL > 150"),
    ("AAPL > ", "expected a number, a price, an indicator or a ticker, but the text ends"),
    ("AAPL >> 150", "at column 7, found '>'"),
    ("AAPL > 150 and MSFT > 300", "write AAPL > 150 and MSFT:close > 300"),
    ("RSI > 70", "for the indicator write rsi(…)"),
    ("sma(5000) > 3", "timeperiod of sma must be from 1 to 2000, got 5000"),
    ("sma(20.5) > 3", "must be a whole number, got 20.5"),
    ("macd(12).signal > 3", "did you mean macdsignal?"),
    ("close > upperband", "write accbands(…).upperband or bbands(…).upperband"),
    ("close[-1] > 3", "the number of bars back must be from 0 to 500, got -1"),
    ("close[501] > 3", "the number of bars back must be from 0 to 500, got 501"),
    ("close between 5 and 3", "needs its lower bound first"),
    ("close > 5%", "means 0.05; write the number itself"),
    ("close > sma(50) + 2%", "write sma(50) * 1.02"),
    ("close / 0 > 1", "divides by zero"),
    ("1 + 2 > 3", "name a price or an indicator"),
    ("volume spike", "expected an operator such as"),
    ("sma(rsi(14), 3) > 2", "expected a number, name=number, or one of open"),
    ("rsi(14 > 70", "expected ','"),
    ("close > 3 3", "expected 'and', 'or' or the end"),
]
OPTIONS = [
    (["--timeframe", "90m"], "do not divide their day evenly"),
    (["--rearm", "hysterisis"], "did you mean hysteresis?"),
    (["--rearm", "hysteresis"], "needs either 'threshold' (a fraction) or 'level'"),
    (["--level", "180"], "must not lie above 150"),
    (["--cooldown", "an hour"], "expected a time such as 30m, 2h or 1d"),
    (["--expires", "yesterday"], "'tomorrow 9:30'"),
    (["--timezone", "New York"], "such as America/New_York"),
    (["--cron", "60 * * * *"], "60 is out of range 0-59"),
    (["--cron", "every minute"], "expected 5 or 6 fields"),
    (["--channel", "telegramm"], "did you mean telegram?"),
    (["--priority", "hi"], "'normal', 'high' or 'urgent'"),
    (["--message", "{tikcer} rose"], "did you mean ticker?"),
    (["--lookback", "10"], "greater than or equal to 250"),
    (["--max-triggers", "0"], "greater than or equal to 1"),
    (["--id", "a b"], "use lower-case letters"),
    (["--once", "--always"], "give one of them"),
    (["--threshold", "much"], "expected a fraction such as 0.02, or 2%"),
    (["--symbols", "AAPL,MSFT"], "for another ticker's price AAPL:close"),
    (["--direction", "sideways"], "'up', 'down' or 'both'"),
]
COMMANDS = [
    (["add"], 2, "give a rule, such as"),
    (["add", "close > 150"], 2, "$.symbol: is needed: the ticker, in the rule"),
    (["add", "close > 1", "--symbol", "AA PL"], 2, "expected a ticker such as AAPL"),
    (["add", "close > 1", "--symbols", "AAPL;MSFT"], 2, "expected a ticker such as AAPL"),
    (["add", "close > 1", "--watchlist", "sp5000"], 3, "see 'alerts sets list'"),
    (["add", "rsi(14)@5m > 70", "--symbol", "X", "--timeframe", "1h"], 2, "is on a lower timeframe than the alert's 1h"),
    (["add", "X > 1 on the hour", "--timeframe", "1d"], 2, "says 1h, but the alert's timeframe is 1d"),
    (["add", "nosuch.json"], 2, "there is no such file"),
    (["ad", "AAPL > 1"], 2, "Did you mean 'add'?"),
    (["lst"], 2, "Did you mean 'list'?"),
    (["list", "--status", "FIRED"], 2, "expected one of ARMED, TRIGGERED"),
    (["pause"], 2, "give ids, or a tag, ticker, group, status, or all"),
    (["pause", "nosuch"], 3, "see 'alerts list'"),
    (["pause", "a", "--tag", "b"], 2, "not both"),
    (["pause", "--all", "--yes"], 3, "there are no alerts"),
    (["snooze", "a"], 2, "say for how long, or until when"),
    (["snooze", "a", "--until", "2020-01-01"], 2, "expected a time to come"),
    (["update", "nosuch", "AAPL > 3"], 3, "see 'alerts list'"),
    (["update", "nosuch"], 2, "nothing to change"),
    (["restore", "nosuch"], 3, "see 'alerts restore'"),
    (["import", "nosuch.json"], 2, "there is no such file"),
    (["preview", "X > 1", "--bars", "nosuch.csv"], 2, "there is no such file"),
    (["preview", "X > 1", "--chart", "out.gif"], 2, "ends with .png, .svg or .html"),
    (["preview", "X > 1", "--size", "big"], 2, "such as 1000x640"),
    (["preview", "close / QQQ:close > 1", "--bars", str(ROOT / "examples" / "aapl.csv")], 2, "reads QQQ, whose bars are not given"),
    (["indicator", "rsix", "--bars", str(ROOT / "examples" / "aapl.csv")], 2, "did you mean rsi or trix?"),
    (["silence", "add", "--ticker", "X", "--for", "2 years"], 2, "--for: expected a time such as"),
    (["history", "x", "--kind", "fired"], 2, "expected one of triggered"),
]  # fmt: skip
EVERY = [
    *((["add", rule, "--symbol", "X"] if "AAPL" not in rule else ["add", rule], 2, words) for rule, words in RULES),
    *((["add", "AAPL > 150", *options], 2, words) for options, words in OPTIONS),
    *COMMANDS,
]


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALERTS_HOME", str(tmp_path))
    monkeypatch.setenv("ALERTS_PROVIDERS", "simulated")
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setattr("starter.cli.commands._log_to_stderr", lambda: None)  # this process has other tests to log
    monkeypatch.setattr(sys, "stdin", None)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(("words", "code", "said"), EVERY, ids=[" ".join(words)[:70] for words, _, _ in EVERY])
def test_it_is_answered_with_what_to_do(
    words: list[str], code: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["alerts", *words])
    monkeypatch.setattr(sys, "stdin", open("/dev/null"))  # noqa: SIM115
    found = _run()
    shown = capsys.readouterr()
    assert said in shown.err, shown.err
    assert found == code
    assert shown.out == "", "data alone is on stdout"
    assert "Traceback" not in shown.err
    assert len(shown.err.splitlines()) <= 6, "one clear message"


def test_unknown_keys_name_the_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = {
        "symbol": "X",
        "rule": "close > 1",
        "colour": 1,
        "options": {"max_trigger": 3},
        "rearm": {"type": "edge", "cool": 3},
    }
    (tmp_path / "bad.json").write_text(json.dumps(bad))
    monkeypatch.setattr(sys, "argv", ["alerts", "add", "bad.json"])
    assert _run() == 2
    shown = capsys.readouterr().err
    assert "$.options.max_trigger: unknown key; did you mean max_triggers?" in shown
    assert "$.rearm.cool: unknown key; did you mean cooldown?" in shown
    assert "$.colour: unknown key; known are cron, custom, description" in shown

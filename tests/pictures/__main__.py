"""Draws the pictures of ``docs/pictures``: ``python -m tests.pictures``. The product itself says what is in them.

The real command, with stand-ins for a vendor, Telegram and a mail server; Debian's ``chromium`` looks at the messages.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.e2e.processes import Home, eventually
from tests.pictures.page import bots, mail, mine, shoot, shoot_page
from tests.stand_ins.binance import BinanceStandIn
from tests.stand_ins.bot_api import TOKEN, BotApi, bot_api
from tests.stand_ins.mail import PASSWORD, USER, Mail, mail_server
from tests.stand_ins.server import StandIn

ROOT = Path(__file__).parents[2]
PICTURES, EXAMPLES = ROOT / "docs" / "pictures", ROOT / "examples"


class Talk:
    """What was said, as it was when it was said."""

    def __init__(self, telegram: BotApi) -> None:
        self.telegram, self.parts, self.seen = telegram, list[str](), dict[int, str]()

    async def say(self, text: str, begin: str) -> None:
        """Writes, and waits for an answer that begins so."""
        self.parts.append(mine(text))
        self.telegram.write(text)
        await self.hear(begin)

    async def press(self, label: str, begin: str) -> None:
        """Presses a button, and waits for what comes of it."""
        self.telegram.press(label)
        await self.hear(begin)

    async def hear(self, begin: str) -> None:
        """Whatever is new is shown."""

        async def new() -> bool:
            return any(
                one["shown"].startswith(begin) and self.seen.get(one["message_id"]) != one["shown"]
                for one in self.telegram.messages
            )

        await eventually(new, 90, f"{begin!r}; said were {[one['shown'] for one in self.telegram.messages]}")
        for one in self.telegram.messages:
            if self.seen.get(one["message_id"]) != one["shown"]:
                self.seen[one["message_id"]] = one["shown"]
                self.parts.append(bots(one))


async def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        vendor = BinanceStandIn(lambda: datetime.now(UTC))
        async with bot_api() as telegram, mail_server(Path(folder)) as box, StandIn(vendor) as market:
            home = Home(
                Path(folder) / "home", TELEGRAM_BOT_TOKEN=TOKEN, TELEGRAM_API_URL=telegram.url, SMTP_HOST="localhost",
                SMTP_PORT=str(box.port), SMTP_USER=USER, SMTP_PASSWORD=PASSWORD, SMTP_FROM="alerts@example.com",
                SSL_CERT_FILE=str(box.certificate), ALERTS_LINK="https://alerts.example.com/{id}", ALERTS_PROVIDERS="binance",
                BINANCE_BASE_URL=market.url, BINANCE_RATE="10000/minute",
            )  # fmt: skip
            try:
                await draw(home, telegram, box)
            finally:
                home.end()
        await report(Path(folder))
    for one in sorted(PICTURES.glob("*.png")):
        sys.stdout.write(f"{one.name}: {one.stat().st_size // 1024} kB\n")


async def draw(home: Home, telegram: BotApi, box: Mail) -> None:
    async def data(*words: str) -> Any:
        return await asyncio.to_thread(home.data, *words)

    await data("channels", "add", "desk", "mailto:ann@example.com")
    home.spawn("up", "--telegram")
    talk = Talk(telegram)
    code = (await data("telegram", "code"))["code"]
    await talk.say(f"/start {code}", "Registered")
    await talk.say("/alert btc-usd rsi(14) > 5 and close > 50 on 1h", "Running.")
    ((id,),) = [[one["id"] for one in await data("list")]]
    found = await data("evaluate", id)
    assert found["status"] == "TRIGGERED", found  # nobody waits a quarter of an hour for a picture
    await talk.hear(f"BTC-USD {found['values']['close']:.6g}")
    shoot(talk.parts, PICTURES / "telegram-alert.png")
    talk.parts.clear()
    await talk.say("/alert eth-usd < 1 on 1h", "Running.")
    talk.parts.clear()
    await talk.say("/list", "2 alerts")
    await talk.press("rsi", "BTC-USD 1h")
    await talk.press("Explain", "rsi(14) > 5")
    await talk.press("Back", "BTC-USD 1h")
    await talk.press("Snooze", "Snoozed for")
    await talk.say("/report BTC-USD", "Daily summary")
    shoot(talk.parts, PICTURES / "telegram-list.png")
    rule = "BTC-USD > 50 and rsi(14) > 5"
    await data("add", rule, "--timeframe", "1h", "--channel", "desk", "--name", "Bitcoin is strong", "--id", "strong")
    await data("evaluate", "strong")
    await eventually(_some(box), 90, "the mail comes")
    shoot([mail(box.messages[0])], PICTURES / "email.png", 860)


async def report(folder: Path) -> None:
    """A portfolio's analysis of the simulated market."""
    home, page = Home(folder / "reports"), folder / "report.html"
    try:
        home.spawn("up")
        await asyncio.to_thread(home.data, "holdings", "import", str(EXAMPLES / "holdings.csv"))
        done = await asyncio.to_thread(home.run, "reports", "run", "portfolio_analysis", seconds=120)
        assert done.returncode == 0, done.stderr
        run_id = done.stderr.split()[-1]
        await asyncio.to_thread(home.run, "reports", "open", run_id, "--output", str(page))
        shoot_page(page.read_text(encoding="utf-8"), PICTURES / "report-portfolio.png", 1080)
    finally:
        home.end()


def _some(box: Mail) -> Callable[[], Any]:
    async def found() -> bool:
        return bool(box.messages)

    return found


if __name__ == "__main__":
    asyncio.run(main())
    sys.stdout.flush()
    os._exit(0)

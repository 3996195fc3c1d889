"""Messages as an app shows them, and a picture of that by a real browser."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import tempfile
from html import escape
from pathlib import Path
from typing import Any

from PIL import Image, ImageChops

STYLE = """
body{margin:0;padding:18px;font:15px/1.42 "DejaVu Sans",sans-serif;background:#e6ebee;width:WIDTHpx;color:#20242a}
.me,.bot{clear:both;max-width:86%;padding:8px 12px;border-radius:12px;margin:5px 0;white-space:pre-wrap;overflow-wrap:anywhere}
.me{float:right;background:#d8f5c6}.bot{float:left;background:#fff}
.keys{clear:both;float:left;width:86%;margin:-1px 0 6px}.row{display:flex;gap:4px;margin-top:4px}
.row span{flex:1;background:#8fa7b3;color:#fff;border-radius:7px;padding:7px 4px;text-align:center;font-size:13px}
code{background:#eef1f4;padding:0 3px;border-radius:3px;font-family:"DejaVu Sans Mono",monospace;font-size:13px}
img{display:block;max-width:100%;border-radius:8px}.mail{background:#fff;border-radius:10px;padding:16px 20px}
.head{border-bottom:1px solid #d5dae0;margin-bottom:12px;padding-bottom:10px;color:#57606c}
.head b{display:block;color:#20242a;font-size:17px;margin-bottom:4px}
"""
CHROMIUM = (
    "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--force-device-scale-factor=1.5",
)  # fmt: skip
TALLEST = 2600


def mine(text: str) -> str:
    """What somebody wrote."""
    return f'<div class="me">{escape(text)}</div>'


def bots(message: dict[str, Any]) -> str:
    """What the bot answered, its picture above and its buttons below."""
    marked = message.get("caption") or message.get("text") or ""
    words = marked if message.get("parse_mode") == "HTML" else escape(marked)
    picture = (
        f'<img src="data:image/png;base64,{base64.b64encode(message["photo"]).decode()}">' if "photo" in message else ""
    )
    return f'<div class="bot">{picture}{words}</div>' + _keys(message.get("reply_markup"))


def _keys(markup: str | None) -> str:
    if not markup:
        return ""
    rows = json.loads(markup)["inline_keyboard"]
    labels = [[f"<span>{escape(one['text'])}</span>" for one in row] for row in rows]
    shown = "".join(f'<div class="row">{"".join(row)}</div>' for row in labels)
    return f'<div class="keys">{shown}</div>'


def mail(message: Any) -> str:
    """An email with its picture where it belongs."""
    html = message.get_body(("html",)).get_content()
    for part in message.walk():
        if part.get_content_type() == "image/png":
            data = base64.b64encode(part.get_content()).decode()
            html = html.replace(f"cid:{part['Content-ID'].strip('<>')}", f"data:image/png;base64,{data}")
    body = re.sub(r"</?(html|body)>", "", html)
    head = f"<b>{escape(message['Subject'])}</b>From {escape(message['From'])} to {escape(message['To'])}"
    return f'<div class="mail"><div class="head">{head}</div>{body}</div>'


def shoot(parts: list[str], to: Path, width: int = 520) -> None:
    """The page as a PNG without what is empty below."""
    page = f"<!doctype html><meta charset=utf-8><style>{STYLE.replace('WIDTH', str(width))}</style>{''.join(parts)}"
    shoot_page(page, to, width + 36)


def shoot_page(page: str, to: Path, width: int) -> None:
    """A whole page, the same."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "page.html", Path(folder) / "page.png"
        source.write_text(page, encoding="utf-8")
        size = f"--window-size={width},{TALLEST}"
        options = [f"--user-data-dir={folder}/profile", size, f"--screenshot={target}", source.as_uri()]
        subprocess.run([*CHROMIUM, *options], check=True, capture_output=True, timeout=60)
        with Image.open(target) as shot:
            whole = shot.convert("RGB")
    empty = Image.new("RGB", whole.size, whole.getpixel((2, whole.height - 2)))
    box = ImageChops.difference(whole, empty).getbbox()
    assert box is not None
    whole.crop((0, 0, whole.width, min(box[3] + 24, whole.height))).quantize(128).save(to, optimize=True)

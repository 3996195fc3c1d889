"""Which market a ticker trades on, by the way it is written."""

from __future__ import annotations

import re

from activities.market_data.calendars.market import CRYPTO, FOREX

SUFFIXES = {
    ".L": "XLON", ".IL": "XLON", ".DE": "XETR", ".F": "XFRA", ".PA": "XPAR", ".AS": "XAMS", ".BR": "XBRU", ".LS": "XLIS",
    ".MI": "XMIL", ".MC": "XMAD", ".SW": "XSWX", ".VI": "XWBO", ".ST": "XSTO", ".HE": "XHEL", ".CO": "XCSE", ".OL": "XOSL",
    ".IR": "XDUB", ".WA": "XWAR", ".TO": "XTSE", ".V": "XTSE", ".SA": "BVMF", ".MX": "XMEX", ".T": "XTKS", ".HK": "XHKG",
    ".SS": "XSHG", ".SZ": "XSHG", ".KS": "XKRX", ".KQ": "XKRX", ".TW": "XTAI", ".AX": "XASX", ".NZ": "XNZE", ".SI": "XSES",
    ".TWO": "XTAI", ".SG": "XFRA", ".MU": "XFRA", ".BE": "XFRA", ".DU": "XFRA", ".HM": "XFRA", ".HA": "XFRA",
    ".NE": "XTSE", ".CN": "XTSE",
    ".BD": "XBUD", ".PR": "XPRA", ".AT": "ASEX", ".BA": "XBUE", ".SN": "XSGO", ".CL": "XBOG", ".LM": "XLIM", ".KL": "XKLS",
    ".PS": "XPHS",
    ".SR": "XSAU", ".RO": "XBSE", ".IC": "XICE", ".KA": "XKAR",
    ".BO": "XBOM", ".NS": "XBOM", ".JK": "XIDX", ".BK": "XBKK", ".TA": "XTAE", ".JO": "XJSE", ".IS": "XIST",
}  # fmt: skip
INDEXES = {
    "^FTSE": "XLON", "^FTMC": "XLON", "^GDAXI": "XETR", "^MDAXI": "XETR", "^STOXX50E": "XETR", "^STOXX": "XETR", "^FCHI": "XPAR",
    "^N225": "XTKS", "^HSI": "XHKG", "^HSCE": "XHKG", "^NSEI": "XBOM", "^NSEBANK": "XBOM", "^BSESN": "XBOM", "^AXJO": "XASX",
    "^AORD": "XASX", "^IBEX": "XMAD", "^SSMI": "XSWX", "^AEX": "XAMS", "^BFX": "XBRU", "^ATX": "XWBO",
    "^OMX": "XSTO", "^OMXC25": "XCSE",
    "^OMXH25": "XHEL", "^KS11": "XKRX", "^KQ11": "XKRX", "^TWII": "XTAI", "^GSPTSE": "XTSE", "^BVSP": "BVMF", "^MXX": "XMEX",
    "^STI": "XSES", "^JKSE": "XIDX", "^NZ50": "XNZE", "^SET.BK": "XBKK", "^KLSE": "XKLS", "^PSI20": "XLIS", "^MERV": "XBUE",
}  # fmt: skip
MONEY = "USD|EUR|GBP|JPY|CHF|CAD|AUD|NZD|SEK|NOK|DKK|PLN|CNY|CNH|HKD|SGD|MXN|ZAR|TRY|INR|BRL|KRW"
COINS = "USDT|USDC|FDUSD|TUSD|BUSD|BTC|ETH|BNB"
FOREX_PAIR = re.compile(rf"({MONEY})[-/]?({MONEY})|[A-Z]{{3}}([A-Z]{{3}})?=X")
CRYPTO_PAIR = re.compile(rf"[A-Z0-9]{{2,12}}[-/]({MONEY}|{COINS})|[A-Z0-9]{{3,12}}({COINS})")


def market_code(symbol: str, default: str = "XNYS") -> str:
    """ISO code of the exchange (or ``24/7``, ``24/5``, ``CMES``) a ticker trades on, by the way it is written."""
    name = symbol.upper()
    if FOREX_PAIR.fullmatch(name):
        return FOREX
    if CRYPTO_PAIR.fullmatch(name) and "." not in name:
        return CRYPTO
    if name.endswith("=F"):
        return "CMES"
    if name.startswith("^"):
        return INDEXES.get(name, default)
    dot = name.rfind(".")
    return SUFFIXES.get(name[dot:], default) if dot > 0 else default

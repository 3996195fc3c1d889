"""First lines of what traders have, one for each format: shapes as their programs write them, figures of our own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Example:
    """A file, what else must be said of it, and what is read: format, first open time, minutes of a bar, (close, volume) by row."""

    title: str
    text: str
    format: str
    first: str
    minutes: int
    rows: list[tuple[float, float | None]]
    options: dict[str, Any] = field(default_factory=dict)
    notes: str = ""


DAY, WEEK, MONTH = 1440, 10_080, 43_200
READ = (
    Example("ours", "time,open,high,low,close,volume\n2024-01-02T14:30:00Z,10,12,9,11,100\n2024-01-02T14:31:00Z,11,13,10,12,\n",
            "tradingview", "2024-01-02 14:30", 1, [(11, 100), (12, None)]),
    Example("TradingView, UNIX seconds", 'time,open,high,low,close,"Basis, 20",Plot,Plot,Volume,Volume MA\n1704205800,10,12,9,11,10.5,1,2,100,90\n'
            "1704209400,11,13,10,12,,1,2,200,NaN\n", "tradingview", "2024-01-02 14:30", 60, [(11, 100), (12, 200)]),
    Example("TradingView, ISO with offset, no volume", "time,open,high,low,close\n2024-01-03T09:00:00+09:00,10,12,9,11\n"
            "2024-01-03T09:05:00+09:00,11,13,10,12\n", "tradingview", "2024-01-03 00:00", 5, [(11, None), (12, None)]),
    Example("TradingView, days", "time,open,high,low,close,Plot,Plot,Volume\n2024-01-02,10,12,9,11,1,2,100\n2024-01-03,11,13,10,12,1,2,200\n",
            "tradingview", "2024-01-02 00:00", DAY, [(11, 100), (12, 200)]),
    Example("Yahoo, download", "Date,Open,High,Low,Close,Adj Close,Volume\n2024-01-02,10.000000,12.0,9.0,11.0,10.5,100\n2024-01-03,null,null,null,null,"
            "null,null\n2024-01-04,11.0,13.0,10.0,12.0,11.5,200\n", "yahoo", "2024-01-02 00:00", DAY, [(11, 100), (12, 200)], notes="1 rows"),
    Example("Yahoo, web table", "Date\tOpen\tHigh\tLow\tClose*\tAdj Close**\tVolume\nJan 4, 2024\t1,011.00\t1,013.00\t1,010.00\t1,012.00\t1,011.50\t43,613,463\n"
            "Jan 3, 2024\t0.24 Dividend\nJan 2, 2024\t1,010.00\t1,012.00\t1,009.00\t1,011.00\t1,010.50\t-\n", "yahoo_table", "2024-01-02 00:00", DAY,
            [(1011, None), (1012, 43_613_463)], notes="1 lines of dividends"),
    Example("Yahoo, web table of today, saved by a spreadsheet", 'Date,Open,High,Low,Close Close price adjusted for splits.,"Adj Close Adjusted close price '
            'adjusted for splits and dividend and/or capital gain distributions.",Volume\n"Jan 3, 2024",11,13,10,12,11.5,"1,200"\n"Jan 2, 2024",10,12,9,11,10.5,"1,100"\n',
            "yahoo_table", "2024-01-02 00:00", DAY, [(11, 1100), (12, 1200)]),
    Example("Binance Vision, milliseconds", "1704067200000,10.0,12.0,9.0,11.0,5.5,1704070799999,60.5,7,1.1,12.1,0\n1704070800000,11.0,13.0,10.0,12.0,6.5,"
            "1704074399999,78.0,9,1.1,13.2,0\n", "binance_vision", "2024-01-01 00:00", 60, [(11, 5.5), (12, 6.5)]),
    Example("Binance Vision, microseconds from the second row on", "1735686000000,10.0,12.0,9.0,11.0,5.5,1735689599999,60.5,7,1.1,12.1,0\n"
            "1735689600000000,11.0,13.0,10.0,12.0,6.5,1735693199999999,78.0,9,1.1,13.2,0\n", "binance_vision", "2024-12-31 23:00", 60, [(11, 5.5), (12, 6.5)]),
    Example("Binance futures, with a header", "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume,ignore\n"
            "1704067200000,10,12,9,11,5.5,1704067259999,60.5,7,1.1,12.1,0\n1704067260000,11,13,10,12,6.5,1704067319999,78,9,1.1,13.2,0\n",
            "binance", "2024-01-01 00:00", 1, [(11, 5.5), (12, 6.5)]),
    Example("MetaTrader 4", "2024.01.02,00:00,1.10427,1.10532,1.10320,1.10425,57\n2024.01.02,00:01,1.10425,1.10540,1.10400,1.10500,58\n",
            "metatrader4", "2024-01-01 22:00", 1, [(1.10425, 57), (1.105, 58)], {"timezone": "Europe/Athens"}),
    Example("MetaTrader 4, days", "2024.01.02,00:00,1.1,1.2,1.0,1.15,57\n2024.01.03,00:00,1.1,1.3,1.0,1.25,58\n",
            "metatrader4", "2024-01-02 00:00", DAY, [(1.15, 57), (1.25, 58)]),
    Example("MetaTrader 5", "<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>\n2024.07.02\t10:00:00\t10\t12\t9\t11\t412\t0\t28\n"
            "2024.07.02\t11:00:00\t11\t13\t10\t12\t413\t0\t28\n", "metatrader5", "2024-07-02 07:00", 60, [(11, 412), (12, 413)], {"timezone": "Europe/Athens"}),
    Example("MetaTrader 5, days, saved with semicolons and decimal commas", "<DATE>;<OPEN>;<HIGH>;<LOW>;<CLOSE>;<TICKVOL>;<VOL>;<SPREAD>\n2024.01.02;1,10;1,25;1,05;1,1525;5870;12;20\n"
            "2024.01.03;1,15;1,35;1,10;1,2525;5871;13;20\n", "metatrader5", "2024-01-02 00:00", DAY, [(1.1525, 12), (1.2525, 13)]),
    Example("Stooq, days", "Date,Open,High,Low,Close,Volume\r\n2024-01-02,10,12,9,11,100\r\n2024-01-03,11,13,10,12,536833333.0\r\n", "csv", "2024-01-02 00:00",
            DAY, [(11, 100), (12, 536_833_333)]),
    Example("Stooq in Polish, without volume", "Data,Otwarcie,Najwyzszy,Najnizszy,Zamkniecie\n2024-01-02,10,12,9,11\n2024-01-03,11,13,10,12\n", "csv",
            "2024-01-02 00:00", DAY, [(11, None), (12, None)]),
    Example("Stooq, ASCII, five minutes in Warsaw", "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>\nAAPL.US,5,20240102,153000,10,12,9,11,100,0\n"
            "AAPL.US,5,20240102,153500,11,13,10,12,200,0\n", "stooq_ascii", "2024-01-02 14:30", 5, [(11, 100), (12, 200)], notes="Europe/Warsaw"),
    Example("Stooq, ASCII, days of one of two tickers", "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>\nAAPL.US,D,20240102,000000,10,12,9,11,100,0\n"
            "MSFT.US,D,20240102,000000,90,92,89,91,5,0\nAAPL.US,D,20240103,000000,11,13,10,12,200,0\n", "stooq_ascii", "2024-01-02 00:00", DAY,
            [(11, 100), (12, 200)], {"symbol": "aapl.us"}),
    Example("Investing.com", '\ufeff"Date","Price","Open","High","Low","Vol.","Change %"\r\n"12/30/2024","1,012.5","1,011.0","1,013.0","1,010.0","","-0.08%"\r\n'
            '"12/27/2024","1,011.5","1,010.0","1,012.0","1,009.0","57.32K","0.10%"\r\n', "investing", "2024-12-27 00:00", DAY, [(1011.5, 57_320), (1012.5, None)]),
    Example("Investing.com, older dates", '"Date","Price","Open","High","Low","Vol.","Change %"\n"Aug 17, 2023","12","11","13","10","1.5M","-1.07%"\n'
            '"Aug 16, 2023","11","10","12","9","-","1.07%"\n', "investing", "2023-08-16 00:00", DAY, [(11, None), (12, 1_500_000)]),
    Example("Investing.com in Portuguese", '"Data","Último","Abertura","Máxima","Mínima","Vol.","Var%"\n"16.08.2023","115.592","115.171","117.338","115.000","18,86M","-0,50%"\n'
            '"15.08.2023","116.171","116.000","117.000","115.500","9,10M","0,20%"\n', "investing_local", "2023-08-15 00:00", DAY,
            [(116_171, 9_100_000), (115_592, 18_860_000)]),
    Example("Investing.com in German", '"Datum","Zuletzt","Eröffn.","Hoch","Tief","Vol.","+/- %"\n"03.01.2024","16.538,39","16.700,00","16.790,50","16.500,00","65,10M","-1,38%"\n'
            '"02.01.2024","16.769,36","16.828,67","16.963,45","16.690,00","","0,11%"\n', "investing_local", "2024-01-02 00:00", DAY,
            [(16_769.36, None), (16_538.39, 65_100_000)]),
    Example("Nasdaq", "Date,Close/Last,Volume,Open,High,Low\n12/13/2024,$191.38,18883220,$192.71,$194.34,$191.26\n12/12/2024,$187.10,N/A,$187.00,$188.50,$186.91\n",
            "nasdaq", "2024-12-12 00:00", DAY, [(187.10, None), (191.38, 18_883_220)]),
    Example("CryptoDataDownload", "https://www.CryptoDataDownload.com\nunix,date,symbol,open,high,low,close,Volume BTC,Volume USDT,tradecount\n"
            "1704153600000,2024-01-02 00:00:00,BTC/USDT,11,13,10,12,6.5,78.0,9\n1704067200000,2024-01-01 00:00:00,BTC/USDT,10,12,9,11,5.5,60.5,7\n",
            "cryptodatadownload", "2024-01-01 00:00", DAY, [(11, 5.5), (12, 6.5)]),
    Example("CryptoDataDownload, older, without its first line", "Date,Symbol,Open,High,Low,Close,Volume USD,Volume BTC\n2019-12-03 12-AM,BTCUSD,11,13,10,12,78.0,6.5\n"
            "2019-12-02 11-PM,BTCUSD,10,12,9,11,60.5,5.5\n", "cryptodatadownload", "2019-12-02 23:00", 60, [(11, 5.5), (12, 6.5)]),
    Example("CryptoDataDownload, older", "https://www.CryptoDataDownload.com\nDate,Symbol,Open,High,Low,Close,Volume USD,Volume BTC\n2019-12-03 12-AM,BTCUSD,11,13,10,12,78.0,6.5\n"
            "2019-12-02 11-PM,BTCUSD,10,12,9,11,60.5,5.5\n", "cryptodatadownload", "2019-12-02 23:00", 60, [(11, 5.5), (12, 6.5)]),
    Example("Alpha Vantage, days", "timestamp,open,high,low,close,volume\n2024-01-03,11,13,10,12,200\n2024-01-02,10,12,9,11,100\n", "alpha_vantage",
            "2024-01-02 00:00", DAY, [(11, 100), (12, 200)]),
    Example("Alpha Vantage, minutes", "timestamp,open,high,low,close,volume\n2024-01-02 09:31:00,11,13,10,12,200\n2024-01-02 09:30:00,10,12,9,11,100\n",
            "alpha_vantage", "2024-01-02 14:30", 1, [(11, 100), (12, 200)], {"timezone": "America/New_York"}),
    Example("Alpha Vantage, adjusted days", "timestamp,open,high,low,close,adjusted_close,volume,dividend_amount,split_coefficient\n2024-01-03,11,13,10,12,11.5,200,0.0000,1.0\n"
            "2024-01-02,10,12,9,11,10.5,100,0.0000,1.0\n", "alpha_vantage", "2024-01-02 00:00", DAY, [(11, 100), (12, 200)], notes="not adjusted"),
    Example("yfinance, history over a change of clocks", "Date,Open,High,Low,Close,Volume,Dividends,Stock Splits\n2024-03-08 00:00:00-05:00,10,12,9,11,100,0.0,0.0\n"
            "2024-03-11 00:00:00-04:00,11,13,10,12,200,0.0,0.0\n", "yfinance", "2024-03-08 00:00", DAY, [(11, 100), (12, 200)]),
    Example("yfinance, history of minutes", "Datetime,Open,High,Low,Close,Volume,Dividends,Stock Splits\n2024-01-02 09:30:00-05:00,10,12,9,11,100,0.0,0.0\n"
            "2024-01-02 09:35:00-05:00,11,13,10,12,200,0.0,0.0\n", "yfinance", "2024-01-02 14:30", 5, [(11, 100), (12, 200)]),
    Example("yfinance, download", "Price,Close,High,Low,Open,Volume\nTicker,SPY,SPY,SPY,SPY,SPY\nDate,,,,,\n2024-01-02,11,12,9,10,100\n2024-01-03,12,13,10,11,200\n",
            "yfinance", "2024-01-02 00:00", DAY, [(11, 100), (12, 200)]),
    Example("yfinance, download of two tickers", "Price,Close,Close,High,High,Low,Low,Open,Open,Volume,Volume\nTicker,AAPL,BTC-USD,AAPL,BTC-USD,AAPL,BTC-USD,AAPL,BTC-USD,AAPL,BTC-USD\n"
            "Date,,,,,,,,,,\n2024-01-05,11,91,12,92,9,89,10,90,100,5\n2024-01-06,,92,,93,,90,,91,,6\n2024-01-08,12,93,13,94,10,91,11,92,200,7\n",
            "yfinance", "2024-01-05 00:00", DAY, [(11, 100), (12, 200)], {"symbol": "AAPL"}, notes="1 rows"),
    Example("yfinance, download by ticker", "Ticker,MSFT,MSFT,MSFT,MSFT,MSFT\nPrice,Open,High,Low,Close,Volume\nDatetime,,,,,\n2024-01-02 14:30:00+00:00,10,12,9,11,100\n"
            "2024-01-02 14:31:00+00:00,11,13,10,12,200\n", "yfinance", "2024-01-02 14:30", 1, [(11, 100), (12, 200)]),
    Example("Dukascopy", "Gmt time,Open,High,Low,Close,Volume\n26.03.2025 00:00:00.000,1.07894,1.07994,1.07888,1.07900,9899.9\n26.03.2025 00:01:00.000,1.07900,1.08,1.07,1.075,1.5\n",
            "dukascopy", "2025-03-26 00:00", 1, [(1.079, 9899.9), (1.075, 1.5)]),
    Example("Dukascopy, local time with its offset", "Local time,Open,High,Low,Close,Volume\n13.01.2018 07:00:00.000 GMT+0700,10,12,9,11,1\n13.01.2018 08:00:00.000 GMT+0700,11,13,10,12,2\n",
            "dukascopy", "2018-01-13 00:00", 60, [(11, 1), (12, 2)]),
    Example("Dukascopy, JForex in EET", "Time (EET),Open,High,Low,Close,Volume \n2024.07.02 03:00:00,10,12,9,11,1\n2024.07.02 04:00:00,11,13,10,12,2\n",
            "dukascopy", "2024-07-02 00:00", 60, [(11, 1), (12, 2)]),
    Example("HistData", "20240102 170000;1.10;1.12;1.09;1.11;0\n20240102 170100;1.11;1.13;1.10;1.12;0\n", "histdata", "2024-01-02 22:00", 1, [(1.11, 0), (1.12, 0)],
            {"format": "histdata"}, notes="Etc/GMT+5"),
    Example("NinjaTrader, named by the end", "20240102 143100;10;12;9;11;86\n20240102 143200;11;13;10;12;87\n", "ninjatrader", "2024-01-02 14:30", 1,
            [(11, 86), (12, 87)], {"format": "ninjatrader"}),
    Example("NinjaTrader, days", "20240102;10;12;9;11;86\n20240103;11;13;10;12;87\n", "ninjatrader", "2024-01-02 00:00", DAY, [(11, 86), (12, 87)]),
    Example("FirstRate", "2024-01-02 04:00:00,10,12,9,11,100\n2024-01-02 04:01:00,11,13,10,12,200\n", "firstrate", "2024-01-02 09:00", 1, [(11, 100), (12, 200)],
            {"timezone": "America/New_York"}),
    Example("Kraken", "1704067200,10,12,9,11,0.5,1\n1704153600,11,13,10,12,0.6,2\n", "kraken", "2024-01-01 00:00", DAY, [(11, 0.5), (12, 0.6)]),
    Example("Polygon's day file, one of its tickers", "ticker,volume,open,close,high,low,window_start,transactions\nAAPL,100,10,11,12,9,1704205800000000000,3\n"
            "MSFT,5,90,91,92,89,1704205800000000000,2\nAAPL,200,11,12,13,10,1704205860000000000,4\n", "polygon", "2024-01-02 14:30", 1, [(11, 100), (12, 200)],
            {"symbol": "AAPL"}, notes="not adjusted"),
    Example("Interactive Brokers' bars, -1 for no volume", ",date,open,high,low,close,volume,average,barCount\n0,2024-01-02 14:30:00+00:00,10,12,9,11,-1,10.5,0\n"
            "1,2024-01-02 14:31:00+00:00,11,13,10,12,200,11.5,9\n", "ibkr", "2024-01-02 14:30", 1, [(11, None), (12, 200)]),
    Example("Sierra Chart", "Date, Time, Open, High, Low, Last, Volume, NumberOfTrades, BidVolume, AskVolume\n2026/9/21, 11:13:00, 10, 12, 9, 11, 69, 69, 32, 37\n"
            "2026/9/21, 11:14:00, 11, 13, 10, 12, 70, 69, 32, 38\n", "sierra", "2026-09-21 16:13", 1, [(11, 69), (12, 70)], {"timezone": "America/Chicago"}),
    Example("a bank's, in German", "Datum;Erster;Hoch;Tief;Schlusskurs;Stuecke;Volumen\n03.01.2024;11,00;13,00;10,00;12,50;1.234.567;9\n02.01.2024;10,00;12,00;9,00;11,50;234.567;8\n",
            "csv", "2024-01-02 00:00", DAY, [(11.5, 234_567), (12.5, 1_234_567)]),
    Example("semicolons, English numbers, a time of its own", "Date;Time;Open;High;Low;Close;Volume\n02.01.2024;14:30;10.5;12;9;11.25;100\n02.01.2024;14:45;11;13;10;12;200\n",
            "csv", "2024-01-02 14:30", 15, [(11.25, 100), (12, 200)], {"timezone": "UTC"}),
    Example("weeks, by bare dates", "Date,Open,High,Low,Close,Volume\n2024-01-01,10,12,9,11,1\n2024-01-08,11,13,10,12,2\n2024-01-15,12,14,11,13,3\n", "csv",
            "2024-01-01 00:00", WEEK, [(11, 1), (12, 2), (13, 3)]),
    Example("months, by bare dates", "Date,Open,High,Low,Close,Volume\n2024-01-01,10,12,9,11,1\n2024-02-01,11,13,10,12,2\n2024-03-01,12,14,11,13,3\n", "csv",
            "2024-01-01 00:00", MONTH, [(11, 1), (12, 2), (13, 3)]),
    Example("slashes, decided by a day beyond the twelfth", "Date,Open,High,Low,Close\n11/01/2024,10,12,9,11\n12/01/2024,10,12,9,11\n15/01/2024,11,13,10,12\n", "csv",
            "2024-01-11 00:00", DAY, [(11, None), (11, None), (12, None)]),
    Example("slashes, as said", "Date,Open,High,Low,Close\n03/04/2024,10,12,9,11\n03/05/2024,11,13,10,12\n", "csv", "2024-03-04 00:00", DAY,
            [(11, None), (12, None)], {"dates": "mdy"}),
    Example("a decimal comma, as said", 'Date;Open;High;Low;Close\n2024-01-02;1,100;1,300;1,000;1,200\n', "csv", "2024-01-02 00:00", DAY, [(1.2, None)], {"decimal": ","}),
    Example("days with names of months of any length", "Date,Open,High,Low,Close\n31 May 2024,10,12,9,11\n3 June 2024,11,13,10,12\n", "csv", "2024-05-31 00:00", DAY,
            [(11, None), (12, None)], notes="no volume"),
    Example("days with dashes", "Date,Open,High,Low,Close\n13-01-2024,10,12,9,11\n14-01-2024,11,13,10,12\n", "csv", "2024-01-13 00:00", DAY, [(11, None), (12, None)]),
    Example("days with dashes and names", "Date,Open,High,Low,Close\n02-Jan-2024,10,12,9,11\n03-Jan-2024,11,13,10,12\n", "csv", "2024-01-02 00:00", DAY,
            [(11, None), (12, None)]),
    Example("years of two digits, first", "Date,Open,High,Low,Close\n24/01/30,10,12,9,11\n24/01/31,11,13,10,12\n", "csv", "2024-01-30 00:00", DAY,
            [(11, None), (12, None)], {"dates": "ymd"}),
    Example("offsets of hours alone", "time,open,high,low,close\n2024-01-02 09:30:00-05,10,12,9,11\n2024-01-02 09:31:00-05,11,13,10,12\n", "tradingview",
            "2024-01-02 14:30", 1, [(11, None), (12, None)], {"timezone": "America/New_York"}),
    Example("offsets of minutes without seconds", "time,open,high,low,close\n2024-11-01T09:30-04:00,10,12,9,11\n2024-11-04T09:30-05:00,11,13,10,12\n", "tradingview",
            "2024-11-01 13:30", DAY, [(11, None), (12, None)]),
    Example("times without an offset", "time,open,high,low,close\n2024-01-02 14:30,10,12,9,11\n2024-01-02 14:31,11,13,10,12\n", "tradingview", "2024-01-02 14:30", 1,
            [(11, None), (12, None)], notes="times without an offset are taken to be UTC"),
    Example("volumes with a comma of their own", "Date;Open;High;Low;Close;Volume\n2024-01-02;10.5;12.5;9.5;11.5;18,86M\n2024-01-03;11;13;10;12;9,1M\n", "csv",
            "2024-01-02 00:00", DAY, [(11.5, 18_860_000), (12, 9_100_000)]),
    Example("thousands as in India", 'Date,Open,High,Low,Close,Volume\n2024-01-02,"1,010.5","1,012.5","1,009.5","1,011.5","12,34,567"\n', "csv", "2024-01-02 00:00", DAY,
            [(1011.5, 1_234_567)]),
    Example("four hours of a stock, two a session", "time,open,high,low,close\n" + "".join(f"2024-01-0{day}T{hour}:30:00Z,10,12,9,11\n" for day in (2, 3, 4) for hour in (14, 18)),
            "tradingview", "2024-01-02 14:30", 240, [(11, None)] * 6),
    Example("a Friday and a Monday, by their opens", "time,open,high,low,close\n1704465000,10,12,9,11\n1704724200,11,13,10,12\n", "tradingview", "2024-01-05 14:30", DAY,
            [(11, None), (12, None)]),
    Example("months in Unix time", "time,open,high,low,close\n1704067200,10,12,9,11\n1706745600,11,13,10,12\n1709251200,11,13,10,12\n", "tradingview", "2024-01-01 00:00", MONTH,
            [(11, None), (12, None), (12, None)]),
    Example("months of Tokyo, that open on the eve in UTC", "time,open,high,low,close\n2024-01-31T15:00:00Z,10,12,9,11\n2024-02-29T15:00:00Z,11,13,10,12\n"
            "2024-03-31T15:00:00Z,11,13,10,12\n", "tradingview", "2024-01-31 15:00", MONTH, [(11, None), (12, None), (12, None)]),
    Example("months named by their last day", "Date,Open,High,Low,Close\n2024-01-31,10,12,9,11\n2024-02-29,11,13,10,12\n2024-03-28,11,13,10,12\n", "csv", "2024-01-01 00:00",
            MONTH, [(11, None), (12, None), (12, None)]),
    Example("TradingView, with plots named as authors like", "time,open,high,low,close,Date,Symbol,Volume\n1704205800,10,12,9,11,7,8,100\n1704209400,11,13,10,12,7,8,200\n",
            "tradingview", "2024-01-02 14:30", 60, [(11, 100), (12, 200)]),
    Example("lines of nothing but commas", "time,open,high,low,close,volume\n2024-01-02,10,12,9,11,100\n,,,,,\n2024-01-03,11,13,10,12,200\n", "tradingview", "2024-01-02 00:00",
            DAY, [(11, 100), (12, 200)]),
    Example("a last cell that is empty, between tabs", "Date\tOpen\tHigh\tLow\tClose\tVolume\n2024-01-02\t10\t12\t9\t11\t100\n2024-01-03\t11\t13\t10\t12\t", "csv",
            "2024-01-02 00:00", DAY, [(11, 100), (12, None)]),
    Example("rows without a header, of which the first lacks its volume", "1704067200,10,12,9,11,nan\n1704153600,11,13,10,12,0.6\n", "plain", "2024-01-01 00:00", DAY,
            [(11, None), (12, 0.6)]),
    Example("local minutes over the end of summer time, newest first", "time;open;high;low;close\n2024-10-27 03:00:00;11;13;10;12\n2024-10-27 02:00:00;11;13;10;12\n"
            "2024-10-27 02:00:00;10;12;9;11\n", "tradingview", "2024-10-27 00:00", 60, [(11, None), (12, None), (12, None)], {"timezone": "Europe/Berlin"}),
    Example("local minutes over the end of summer time", "time;open;high;low;close\n2024-10-27 02:00:00;10;12;9;11\n2024-10-27 02:00:00;11;13;10;12\n2024-10-27 03:00:00;11;13;10;12\n",
            "tradingview", "2024-10-27 00:00", 60, [(11, None), (12, None), (12, None)], {"timezone": "Europe/Berlin"}),
)  # fmt: skip

REFUSED: tuple[tuple[str, str, dict[str, Any], str], ...] = (
    ("a decimal comma in a comma file", "time,open,high,low,close,volume\n2024-01-02,1,0851,1,0862,1,0843,1,0850,100\n", {},
     "line 2: has more than the 6 cells of the header; a decimal comma, or a comma within a cell that needs quotes? (got '10')"),
    ("more cells in one row", "time,open,high,low,close,volume\n2024-01-02,10,12,9,11,100\n2024-01-03,11,13,10,12,2,00\n", {}, "line 3: has more than the 6 cells"),
    ("a row that is cut off", "time,open,high,low,close,volume\n2024-01-02,10,12,9,11,100\n2024-01-03,11,13\n", {}, "line 3: has fewer than the 6 cells of the header; is the file cut off?"),
    (
        "one row too wide and one too narrow",
        "time,open,high,low,close,volume\n2024-01-02,10,12,9,11,100\n2024-01-03,11,13,10,12,2,00\n2024-01-04,11,13,10,12\n",
        {},
        "line 3: has more than the 6 cells",
    ),
    ("a close above the high", "time,open,high,low,close,volume\n2024-01-02,10,12,9,861,100\n", {}, "line 2.close: is above the high (got 861.0)"),
    ("an open below the low", "time,open,high,low,close,volume\n2024-01-02,8,12,9,11,100\n", {}, "line 2.open: is below the low (got 8.0)"),
    ("days that may be months", "Date,Open,High,Low,Close\n03/04/2024,10,12,9,11\n04/04/2024,11,13,10,12\n", {}, "say --dates dmy or --dates mdy (got '03/04/2024')"),
    ("commas that may be decimals", 'Date,Open,High,Low,Close\n2024-01-02,"4,146","4,300","4,000","4,200"\n', {}, "say --decimal . or --decimal , (got '4,146')"),
    ("a broker's times", "2024.01.02,00:00,1.1,1.2,1.0,1.15,57\n2024.01.02,00:01,1.1,1.2,1.0,1.15,57\n", {},
     "read as MetaTrader 4, whose times carry no zone (they are the broker's server's: Europe/Athens"),
    ("Alpha Vantage's minutes", "timestamp,open,high,low,close,volume\n2024-01-02 09:31:00,11,13,10,12,200\n2024-01-02 09:30:00,10,12,9,11,100\n", {},
     "whose times carry no zone (Alpha Vantage's are America/New_York); say it, --timezone ZONE"),
    ("one layout of two programs", "20240102 170000;1.10;1.12;1.09;1.11;0\n20240102 170100;1.11;1.13;1.10;1.12;0\n", {}, "say which, --format histdata|ninjatrader"),
    ("several tickers", "ticker,volume,open,close,high,low,window_start,transactions\nAAPL,1,10,11,12,9,1704205800000000000,3\nMSFT,5,90,91,92,89,1704205800000000000,2\n", {},
     "holds 2 tickers in its rows: AAPL, MSFT; say which, --symbol NAME"),
    ("a format nobody knows", "time,open,high,low,close\n2024-01-02,10,12,9,11\n", {"format": "excel"}, "there is no format excel; known are cryptodatadownload"),
    ("an error message", '{"Information": "Thank you for using Alpha Vantage!"}', {}, "holds a page or a message instead of bars"),
    ("a page", "<!doctype html><html>", {}, "holds a page or a message instead of bars"),
    ("no prices", "time,value\n2024-01-02,1\n", {}, "is no table of bars"),
    ("lacking columns", "time,open,high,volume\n2024-01-02,1,2,3\n", {}, "lacks low, close; expected time,open,high,low,close,volume"),
    ("nothing", "", {}, "is empty"),
    ("a header alone", "time,open,high,low,close\n", {}, "has a header but no bars"),
    ("out of order", "time,open,high,low,close\n2024-01-03,10,12,9,11\n2024-01-02,10,12,9,11\n2024-01-04,10,12,9,11\n", {}, "line 3.time: goes back in time"),
    ("twice the same time, newest first", "time,open,high,low,close\n2024-01-03,10,12,9,11\n2024-01-02,10,12,9,11\n2024-01-02,10,12,9,11\n", {}, "line 3.time: repeats the time"),
    ("words for numbers", "time,open,high,low,close\n2024-01-02,ten,12,9,11\n2024-01-03,10,12,9,eleven\n", {}, "line 2.open: expected a number or an empty cell (got 'ten')"),
    ("two columns of one name", "time,open,high,low,close,close\n2024-01-02,10,12,9,11,11\n", {}, "has more than one column close"),
    ("a header in unknown words", "Zeitpunkt,A,B,C,D,E\n2024-01-02,10,12,9,11,100\n2024-01-03,11,13,10,12,200\n", {},
     "has a header in unknown words; rename them time,open,high,low,close,volume (got 'Zeitpunkt,A,B,C,D,E')"),
    ("a quote that swallows lines", 'time,open,high,low,close,volume\n2024-01-02,10,12,9,11,"100\n2024-01-03,11,13,10,12,200\n2024-01-04,11,13,10,12,"200\n', {},
     "line 2: has a quote that is not closed on its line"),
    ("dots that may part thousands", "Datum;Eröffnung;Hoch;Tief;Schluss\n02.01.2024;16.538;16.700;16.500;16.600\n", {}, "its dots may part thousands or decimals; say --decimal"),
    ("times of no offset in a person's way of writing", "Date,Open,High,Low,Close\n01/13/2024 9:30 AM,10,12,9,11\n01/13/2024 9:31 AM,10,12,9,11\n", {}, "say it, --timezone ZONE"),
    ("years of two digits anywhere", "Date,Open,High,Low,Close\n02/03/04,10,12,9,11\n02/03/05,11,13,10,12\n", {}, "say --dates dmy or --dates mdy or --dates ymd"),
    ("another ticker's file", "ticker,volume,open,close,high,low,window_start,transactions\nAAPL,1,10,11,12,9,1704205800000000000,3\n", {"symbol": "MSFT"}, "holds AAPL, not MSFT"),
    ("a file of another format than was said", "time,open,high,low,close\n2024-01-02,10,12,9,11\n", {"format": "investing"},
     "is not of the format investing (Investing.com): it is TradingView"),
    ("a number with a space in it", "time,open,high,low,close\n2024-01-02,1 0,12,9,11\n", {}, "line 2.open: expected a number or an empty cell (got '1 0')"),
    ("a volume in groups of two", 'time,open,high,low,close,volume\n2024-01-02,10.5,12,9,11,"5,50,1"\n', {}, "line 2.volume: expected a number"),
    ("a time that was not", "time,open,high,low,close\n2024-03-10 02:30:00,10,12,9,11\n2024-03-10 03:30:00,11,13,10,12\n", {"timezone": "America/New_York"},
     "line 2.time: is not in America/New_York, where clocks were put forward over it"),
    ("Yahoo's rows without their header", "2024-01-02,10,12,9,11,10.5,100\n2024-01-03,11,13,10,12,11.5,200\n", {}, "has no header, and its rows are of no known format"),
    ("a first row that is cut off", "https://www.CryptoDataDownload.com\nDate,Symbol,Open,High,Low,Close,Volume USD,Volume BTC\n2019-12-03\n", {}, "has fewer than the 8 cells"),
    ("JForex in a Spanish place", "Time (UTC),Open,High,Low,Close,Volume \n2024.01.02 00:00:00,1,08701,1,08713,1,08600,1,08650,9\n", {}, "line 2: has more than the 6 cells"),
)  # fmt: skip

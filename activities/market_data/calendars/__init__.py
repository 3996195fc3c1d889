"""When markets trade: sessions, holidays, early closes, and the market of each ticker."""

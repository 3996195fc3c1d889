"""Whether bars can be true: outliers, splits, gaps. Pure; nothing here is fetched or stored."""

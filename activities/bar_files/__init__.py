"""Bars from the files that people have: recognised by their first lines, read by pandas, or refused by line."""

"""Copies of the whole database: made, checked against what they were made from, and put back."""

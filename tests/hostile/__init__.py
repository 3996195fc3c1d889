"""One catalogue of bad input, thrown at every door: each is refused or answered, soon and shortly, and nothing else suffers."""

"""Sources of bars that are no vendors: files, replays, the simulated market."""

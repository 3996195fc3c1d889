"""One module a channel. Each declares its names, its settings and how it is built; the registry finds it."""

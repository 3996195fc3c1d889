"""The process: settings, wiring, the embedded Temporal server, running and draining."""

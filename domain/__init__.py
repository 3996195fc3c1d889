"""Pure vocabulary of market alerts: no I/O, no clock, no Temporal, no pandas."""

"""Everything that touches the world. Workflows see only ``activities.interface``."""

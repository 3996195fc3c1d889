"""Charts of bars with a rule's indicators, thresholds and fires: as pictures and as pages."""

"""Where bars and other data come from: one protocol, and what every vendor behind HTTP shares."""

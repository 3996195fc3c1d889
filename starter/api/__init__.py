"""The REST API: authenticated, versioned writes on the same use cases as the command line."""

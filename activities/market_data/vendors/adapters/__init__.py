"""One module a vendor. Each declares itself; see ``registry``."""

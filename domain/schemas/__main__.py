"""``python -m domain.schemas``."""

from domain.schemas import main

main()

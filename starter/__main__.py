"""``python -m starter FILE|FOLDER``: registers alerts and schedules, as ``alerts register`` does."""

import sys

from starter.cli.main import main

sys.argv[1:1] = ["register"]
main()

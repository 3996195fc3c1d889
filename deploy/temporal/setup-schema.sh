#!/bin/sh
# Makes and updates Temporal's own databases; may be run any number of times.
set -eu
for pair in temporal:temporal temporal_visibility:visibility; do
  db=${pair%%:*}
  kind=${pair#*:}
  temporal-sql-tool --db "$db" create
  temporal-sql-tool --db "$db" setup-schema -v 0.0
  temporal-sql-tool --db "$db" update-schema -d "/etc/temporal/schema/postgresql/v12/$kind/versioned"
done

#!/bin/sh
# Makes the namespace and its search attributes; may be run any number of times. A new namespace takes a moment to be known.
set -eu
namespace=${TEMPORAL_NAMESPACE:-default}
temporal operator namespace describe --namespace "$namespace" >/dev/null 2>&1 \
  || temporal operator namespace create --namespace "$namespace" --retention 72h
tries=0
until temporal operator search-attribute create --namespace "$namespace" \
  --name AlertStatus --type Keyword --name AlertSymbol --type Keyword --name AlertTimeframe --type Keyword \
  --name AlertUserId --type Keyword --name AlertTags --type KeywordList \
  --name AlertLastTriggeredAt --type Datetime --name JobType --type Keyword; do
  tries=$((tries + 1))
  test "$tries" -lt 30 || exit 1
  sleep 2
done

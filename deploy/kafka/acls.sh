#!/usr/bin/env bash
# Which process may read and write which Kafka topic, as ACLs of a broker with an authorizer (docs/operations.md, Kafka).
# A forged message in an inbox would be a payment's truth, so no client may write more than it has to.
#
#   deploy/kafka/acls.sh kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties
#
# Each process logs in as the user of its name (BILLING_KAFKA_USER): ingest, worker, signals, analytics, scheduler, monitor, admin; people and
# `billing migrate` as operator. The sandbox uses no Kafka. Repeating it changes nothing; without arguments it prints
# what it would run.
set -euo pipefail

run() { if [ "${#kafka_acls[@]}" = 0 ]; then echo "$@"; else "${kafka_acls[@]}" "$@"; fi; }
kafka_acls=("$@")

# allow USER OPERATION... -- TOPIC...
allow() {
  local user=$1 operations=() topics=()
  shift
  while [ "$1" != -- ]; do operations+=(--operation "$1"); shift; done
  shift
  for topic in "$@"; do topics+=(--topic "$topic"); done
  run --add --allow-principal "User:$user" "${operations[@]}" "${topics[@]}"
}
group() { run --add --allow-principal "User:$1" --operation Read --operation Describe --group "$2"; }
# A producer that is idempotent needs no more than Write since Kafka 2.8; older brokers ask for this.
idempotent() { run --add --allow-principal "User:$1" --operation IdempotentWrite --cluster; }

# The REST API: stores commands and callbacks, reads replies and the changes that clients follow. No groups.
allow ingest Write Describe -- billing.payments.inbox billing.subscriptions.inbox billing.provider.callbacks
allow ingest Read Describe -- billing.replies billing.events billing.subscription.events
idempotent ingest

# The agents.
allow worker Read Write Describe -- \
  billing.payments.inbox billing.subscriptions.inbox billing.provider.requests billing.provider.renewals \
  billing.provider.callbacks
allow worker Write Describe -- billing.events billing.subscription.events billing.replies billing.dead-letters
group worker billing-streams
idempotent worker

# The scheduler: wakes subscriptions, tells payments what clearing found, and publishes the events of clearing.
allow scheduler Write Describe -- billing.subscriptions.inbox billing.payments.inbox billing.clearing.events
idempotent scheduler

# The monitor: asks where the topics end.
allow monitor Describe -- \
  billing.payments.inbox billing.subscriptions.inbox billing.provider.requests billing.provider.renewals \
  billing.provider.callbacks billing.events billing.subscription.events billing.clearing.events billing.replies \
  billing.dead-letters

# The admin process: sends commands of people and reads the replies; reads dead letters, and replays them to their topics.
allow admin Write Describe -- \
  billing.payments.inbox billing.subscriptions.inbox billing.provider.requests billing.provider.renewals \
  billing.provider.callbacks billing.events billing.subscription.events billing.clearing.events
allow admin Read Describe -- billing.replies billing.dead-letters
idempotent admin

# The sinks: return parked events to their topic.
for sink in signals analytics; do
  allow "$sink" Read Write Describe -- billing.events billing.subscription.events billing.clearing.events
  allow "$sink" Write Describe -- billing.dead-letters
  idempotent "$sink"
done
group signals sink.rabbitmq
group analytics sink.clickhouse

# People: correct, ask, replay dead letters, audit, make topics.
allow operator Create Alter DescribeConfigs Read Write Describe -- \
  billing.payments.inbox billing.provider.requests billing.provider.renewals billing.provider.callbacks billing.events \
  billing.subscriptions.inbox billing.subscription.events billing.clearing.events billing.replies billing.dead-letters
run --add --allow-principal User:operator --operation Describe --group '*'
idempotent operator

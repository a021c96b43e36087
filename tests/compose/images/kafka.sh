#!/bin/sh
set -eu
properties=/tmp/server.properties
# KAFKA_LOG_DIRS=… becomes log.dirs=…
env | sed -n 's/^KAFKA_\([A-Z_]*\)=/\1=/p' | grep -v ^HEAP_OPTS= | while IFS='=' read -r name value; do
    echo "$(echo "$name" | tr A-Z_ a-z.)=$value"
done >"$properties"
cluster=$(head -c 16 /dev/urandom | base64 | tr '+/' '-_' | cut -c 1-22)
java -cp '/opt/kafka/libs/*' kafka.tools.StorageTool format --ignore-formatted -t "$cluster" -c "$properties"
exec java ${KAFKA_HEAP_OPTS:-} -cp '/opt/kafka/libs/*' kafka.Kafka "$properties"

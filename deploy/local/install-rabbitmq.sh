#!/usr/bin/env bash
# RabbitMQ has no wheel: take the machine's server, or install Debian's where we may. Nothing is started here.
set -euo pipefail

if [ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] || command -v rabbitmq-server >/dev/null || [ -n "${BILLING_RABBITMQ_URL:-}" ]; then
    exit 0
fi
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "RabbitMQ is missing: install the package rabbitmq-server, or set BILLING_RABBITMQ_URL to a running server" >&2
    exit 1
fi
echo "installing rabbitmq-server …"
# Debian starts services it installs; ours run under the project's own supervisor, so that is refused meanwhile.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
fi
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
if ! { apt-get update && apt-get install -y --no-install-recommends rabbitmq-server; } >"$log" 2>&1; then
    tail -20 "$log" >&2
    echo "rabbitmq-server could not be installed: install it by hand, or set BILLING_RABBITMQ_URL" >&2
    exit 1
fi

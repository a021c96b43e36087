#!/usr/bin/env bash
# What has no wheel: take the machine's, or install Debian's package where we may. Nothing is started here.
# install-package.sh PACKAGE WHAT-IS-THERE-WITH-IT ELSE: a command or a file, and what else helps.
set -euo pipefail
package=$1 there=$2 else=$3

if [ -x "$there" ] || command -v "$there" >/dev/null; then
    exit 0
fi
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "$package is missing: install it, or $else" >&2
    exit 1
fi
echo "installing $package …"
# Debian starts services it installs; ours run under the project's own supervisor, so that is refused meanwhile.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
fi
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
if ! { apt-get update && apt-get install -y --no-install-recommends "$package"; } >"$log" 2>&1; then
    tail -20 "$log" >&2
    echo "$package could not be installed: install it by hand, or $else" >&2
    exit 1
fi

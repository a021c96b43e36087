#!/usr/bin/env bash
# Print this machine's package index and certificates as a pip.conf, for pip inside an image that is being built.
set -euo pipefail
echo "[global]"
python3 -m pip config list \
    | sed -nE "s/^(global|:env:)\.(cert|index-url|extra-index-url)='(.*)'$/\2 = \3/p" | sort -u -t= -k1,1

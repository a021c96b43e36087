#!/usr/bin/env bash
# Check the built images: their size, and that every process can be imported as the container will run: without root,
# without capabilities, on a read-only root with one tmpfs. Docker where its daemon answers, else Podman.
set -euo pipefail
cd "$(dirname "$0")/.."

if docker info >/dev/null 2>&1; then
    engine=(docker)
else
    engine=(podman --runtime runc --cgroup-manager cgroupfs)
fi

check() { # IMAGE LIMIT-MB
    local image=$1 limit=$2 size user
    # Limits that every machine allows: without them Podman asks for more than some do.
    local run=("${engine[@]}" run --rm --network none
        --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 --entrypoint python)
    size=$(($("${engine[@]}" image inspect --format '{{.Size}}' "$image") / 1000000))
    user=$("${engine[@]}" image inspect --format '{{.Config.User}}' "$image")
    echo "$image: $size MB unpacked, of at most $limit; user $user"
    test "$size" -le "$limit"
    test "$user" = 10001:10001
    "${run[@]}" --interactive --read-only --tmpfs /tmp --cap-drop ALL \
        --security-opt no-new-privileges "$image" - <deploy/import_entries.py
    if "${run[@]}" "$image" -c "import pip" 2>/dev/null; then
        echo "$image: pip is installed" >&2
        return 1
    fi
}

check cinema-billing 350
check cinema-billing-admin 520

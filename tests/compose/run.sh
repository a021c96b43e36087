#!/usr/bin/env bash
# Build the images and run the compose test in a network namespace and an image store of its own: the machine's
# firewall, ports and images stay as they are. BILLING_COMPOSE_STORAGE names a folder that keeps the images.
set -euo pipefail
cd "$(dirname "$0")/../.."

skip() { # WHY
    BILLING_COMPOSE_MISSING=$1 .venv/bin/pytest -m compose -rs tests/compose
    exit
}
for program in buildah podman runc mmdebstrap ip nsenter; do
    command -v "$program" >/dev/null || skip "$program is not installed"
done
[ "$(id -u)" -eq 0 ] || skip "a network namespace needs root"

work=$(mktemp -d /var/tmp/billing-compose-XXXXXX)
storage=${BILLING_COMPOSE_STORAGE:-$work/storage}
namespace=$(basename "$work")
# Called with the variables that name the store: without them Podman would clear the machine's own.
cleanup() {
    podman rm --all --force --time 0 >/dev/null 2>&1 || true
    ip netns pids "$namespace" 2>/dev/null | xargs -r kill 2>/dev/null || true
    ip netns delete "$namespace" 2>/dev/null || true
    findmnt --raw --noheadings --output TARGET | grep "^$storage/" | sort --reverse | xargs -r umount || true
    rm -rf "$work"
}
cat >"$work/storage.conf" <<END
[storage]
driver = "overlay"
runroot = "$storage/run"
graphroot = "$storage/graph"
END
# Limits that every machine allows: Podman's own defaults are above what some do.
cat >"$work/containers.conf" <<END
[containers]
default_ulimits = ["nofile=1024:4096", "nproc=2048:2048"]
log_driver = "k8s-file"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
init_path = "/usr/bin/catatonit"
pull_policy = "never"
[network]
network_backend = "netavark"
END
export CONTAINERS_STORAGE_CONF=$work/storage.conf CONTAINERS_CONF=$work/containers.conf
# Health checks are asked for by the test; there may be no systemd to do it.
export DISABLE_HC_SYSTEMD=true
trap cleanup EXIT

ip netns add "$namespace" || skip "network namespaces cannot be made"
echo "building images …"
tests/compose/base-images.sh || skip "an image of Debian's packages cannot be made"
tried=$(nsenter "--net=/run/netns/$namespace" podman run --rm python-base true 2>&1) \
    || skip "Podman cannot run a container: $tried"
tests/compose/build.sh
ip -n "$namespace" link set lo up
BILLING_COMPOSE_NETWORK=/run/netns/$namespace .venv/bin/pytest -m compose -rs -s tests/compose

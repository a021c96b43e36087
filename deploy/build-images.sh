#!/usr/bin/env bash
# Build the images cinema-billing and cinema-billing-admin. Docker where its daemon answers, else Buildah.
# PYTHON_IMAGE names another base. With Buildah pip gets this machine's index and certificates.
set -euo pipefail
cd "$(dirname "$0")/.."

revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
arguments=(
    --build-arg "VERSION=$(sed -n 's/^version = "\(.*\)"$/\1/p' pyproject.toml)"
    --build-arg "REVISION=$revision"
    --build-arg "CREATED=$(git show --no-patch --format=%cI 2>/dev/null || echo unknown)"
)
if [ -n "${PYTHON_IMAGE:-}" ]; then
    arguments+=(--build-arg "PYTHON_IMAGE=$PYTHON_IMAGE")
fi

if docker info >/dev/null 2>&1; then
    build=(docker build)
elif command -v buildah >/dev/null; then
    config=$(mktemp)
    trap 'rm -f "$config"' EXIT
    deploy/pip-settings.sh >"$config"
    build=(buildah bud --layers --isolation chroot --volume "$config:/etc/pip.conf:ro")
    certificates=$(sed -n 's/^cert = //p' "$config")
    if [ -n "$certificates" ]; then
        build+=(--volume "$certificates:$certificates:ro")
    fi
else
    echo "Docker or Buildah is needed (Debian: apt-get install buildah)" >&2
    exit 1
fi
for target in billing billing-admin; do
    "${build[@]}" "${arguments[@]}" --target "$target" --tag "cinema-$target" --file deploy/Dockerfile .
done

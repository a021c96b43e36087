#!/usr/bin/env bash
# Build what the compose test starts, on the machine's network: our two images, and stand-ins under the names of the
# vendors' images.
set -euo pipefail
cd "$(dirname "$0")/../.."

stand_in() { # FILE IMAGE, and more for the builder
    local file=$1 image=$2
    shift 2
    buildah bud --quiet --layers --isolation chroot --pull-never "$@" --ignorefile /dev/null \
        --file "tests/compose/images/$file.Containerfile" --tag "$image" . >/dev/null
}

PYTHON_IMAGE=python-base deploy/build-images.sh >/dev/null

pip=$(mktemp)
trap 'rm -f "$pip"' EXIT
deploy/pip-settings.sh >"$pip"
certificates=$(sed -n 's/^cert = //p' "$pip")
stand_in servers stand-in-servers --build-arg SERVERS=servers-base --volume "$pip:/etc/pip.conf:ro" \
    ${certificates:+--volume "$certificates:$certificates:ro"}
for service in postgres rabbitmq kafka clickhouse proxy; do
    image=$(sed -n "/^  $service:/,/image:/s/^ *image: //p" docker-compose.yml | head -1)
    case $service in proxy) file=haproxy ;; *) file=$service ;; esac
    stand_in "$file" "$image"
done

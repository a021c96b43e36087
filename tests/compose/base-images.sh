#!/usr/bin/env bash
# Make the images that the compose test's others are built on, of Debian packages: `python-base` in place of the Python
# image, and `servers-base` with the servers beside it.
set -euo pipefail
. /etc/os-release

base() { # NAME PACKAGE,… and more for mmdebstrap
    local name=$1 packages=$2 root container
    shift 2
    if buildah inspect --type image "$name" >/dev/null 2>&1; then
        return
    fi
    root=$(mktemp -d)
    # usr-is-merged: without it usrmerge brings Perl.
    if ! mmdebstrap --variant=minbase --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr "$@" \
        --include="usr-is-merged,$packages" "$VERSION_CODENAME" "$root/root.tar" >"$root/log" 2>&1; then
        tail -30 "$root/log" >&2
        return 1
    fi
    container=$(buildah from scratch)
    buildah add --quiet "$container" "$root/root.tar" / >/dev/null
    rm -r "$root"
    buildah run --isolation chroot "$container" -- ln -s /usr/bin/python3 /usr/local/bin/python
    buildah config --env PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin "$container"
    buildah commit --quiet --rm "$container" "$name" >/dev/null
}

python=python3,python3-venv,ca-certificates,passwd
# No documentation, as in the vendors' slim images.
base python-base "$python" --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*'
base servers-base "$python,wget,haproxy,rabbitmq-server,default-jre-headless"

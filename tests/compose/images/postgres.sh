#!/bin/sh
set -eu
data=/var/lib/postgresql/18/docker
as_server="setpriv --reuid=999 --regid=999 --clear-groups"
if [ ! -s "$data/PG_VERSION" ]; then
    mkdir -p "$data"
    chown -R 999:999 /var/lib/postgresql
    $as_server initdb -D "$data" -U "$POSTGRES_USER" -E UTF8 --locale=C -A scram-sha-256 \
        --pwfile="$POSTGRES_PASSWORD_FILE"
    echo "host all all all scram-sha-256" >>"$data/pg_hba.conf"
    echo "CREATE DATABASE $POSTGRES_DB" | $as_server postgres --single -D "$data" postgres
fi
program=$1
shift
exec $as_server "$program" -D "$data" -c listen_addresses='*' -c unix_socket_directories= "$@"

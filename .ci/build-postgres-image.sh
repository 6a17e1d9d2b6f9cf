#!/usr/bin/env bash
# Builds an image of PostgreSQL 15 from Debian's packages, for machines that reach no container registry. It knows the
# same environment variables and arguments as the official image. Does nothing when the image is there. Run as root.
set -euo pipefail

image=kysely-replica-fallback-postgres:15
if docker image inspect "$image" >/dev/null 2>&1; then
  echo "$image is there already."
  exit
fi

if ! command -v debootstrap >/dev/null; then
  apt-get update
  DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends debootstrap
fi

root=$(mktemp -d)
trap 'rm -rf --one-file-system "$root"' EXIT
debootstrap --variant=minbase --include=postgresql-15 bookworm "$root"
rm -rf "$root"/var/cache/apt "$root"/var/lib/apt/lists "$root"/var/lib/postgresql/15

cat >"$root/usr/local/bin/docker-entrypoint.sh" <<'ENTRYPOINT'
#!/bin/sh
set -eu

if [ "$(id -u)" = 0 ]; then
  install -d -o postgres -g postgres -m 0700 "$PGDATA"
  exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
fi

if [ ! -s "$PGDATA/PG_VERSION" ]; then
  user=${POSTGRES_USER:-postgres}
  database=${POSTGRES_DB:-$user}
  (umask 077 && echo "${POSTGRES_PASSWORD:?}" >/tmp/password)
  initdb --username="$user" --pwfile=/tmp/password --auth-host=scram-sha-256 \
    --encoding=UTF8 --locale=C.UTF-8 --no-sync
  rm /tmp/password
  echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
  echo "listen_addresses = '*'" >>"$PGDATA/postgresql.conf"
  [ "$database" = postgres ] || echo "create database \"$database\"" | postgres --single -j postgres
fi
exec "$@"
ENTRYPOINT
chmod 755 "$root/usr/local/bin/docker-entrypoint.sh"

tar --create --directory "$root" --one-file-system . | docker import \
  --change 'ENV PATH=/usr/lib/postgresql/15/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
  --change 'ENV PGDATA=/var/lib/postgresql/data' \
  --change 'EXPOSE 5432' \
  --change 'ENTRYPOINT ["docker-entrypoint.sh"]' \
  --change 'CMD ["postgres"]' \
  - "$image"

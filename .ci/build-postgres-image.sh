#!/usr/bin/env bash
# Builds an image of PostgreSQL 15 or 19 from Debian's packages, for machines that reach no container registry. It knows
# the same environment variables and arguments as the official image. Does nothing when the image is there. Run as root.
#
#   .ci/build-postgres-image.sh 15
set -euo pipefail

case ${1:-} in
  15 | 19) version=$1 ;;
  *) echo "Usage: $0 15|19" >&2 && exit 2 ;;
esac
image=kysely-replica-fallback-postgres:$version
if docker image inspect "$image" >/dev/null 2>&1; then
  echo "$image is there already."
  exit
fi

if ! command -v debootstrap >/dev/null; then
  apt-get update
  DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends debootstrap
fi

root=$(mktemp -d)
remove_root() {
  ! mountpoint --quiet "$root/proc" || umount "$root/proc"
  rm -rf --one-file-system "$root"
}
trap remove_root EXIT

install_15() {
  debootstrap --variant=minbase --include=postgresql-15 bookworm "$root"
}

# Before its release, PostgreSQL 19 is in the suite `experimental` alone, and what it needs in `sid`. Where these come from
# a snapshot, their indexes have expired.
install_19() {
  debootstrap --variant=minbase sid "$root"
  sed 's/ sid / experimental /' "$root/etc/apt/sources.list" >"$root/etc/apt/sources.list.d/experimental.list"
  mount -t proc proc "$root/proc"
  local apt=(chroot "$root" env DEBIAN_FRONTEND=noninteractive apt-get --yes -o Acquire::Check-Valid-Until=false)
  "${apt[@]}" update
  "${apt[@]}" --fix-broken upgrade
  "${apt[@]}" install --no-install-recommends \
    postgresql-19/experimental postgresql-client-19/experimental libpq5/experimental
  umount "$root/proc"
}

"install_$version"
rm -rf "$root"/var/cache/apt "$root"/var/lib/apt/lists "$root/var/lib/postgresql/$version"

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
  --change "ENV PATH=/usr/lib/postgresql/$version/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" \
  --change 'ENV PGDATA=/var/lib/postgresql/data' \
  --change 'EXPOSE 5432' \
  --change 'ENTRYPOINT ["docker-entrypoint.sh"]' \
  --change 'CMD ["postgres"]' \
  - "$image"

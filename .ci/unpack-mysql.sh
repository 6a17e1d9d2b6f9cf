#!/usr/bin/env bash
# Unpacks MySQL, which Debian has in `sid` alone, with all that it needs, and prints the path of a program that starts its
# server. Nothing is installed: it lies in one directory, $TEST_MYSQL_DIR. Does nothing when it is there. Needs apt.
set -euo pipefail

directory=${TEST_MYSQL_DIR:-${TMPDIR:-/tmp}/kysely-replica-fallback-mysql}
program=$directory/mysqld
[ ! -x "$program" ] || { echo "$program" && exit; }

apt=$directory/apt
root=$directory/root
mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$root"
touch "$apt/status"
mirror=$(apt-get indextargets --format '$(REPO_URI)' | grep --max-count=1 '/debian/$')
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror sid main" >"$apt/sources.list"
# Of its own, so that the machine's packages are not mixed up with these. Where `sid` comes from a snapshot, its index has
# expired.
options=(
  -o "Dir::State=$apt" -o "Dir::State::status=$apt/status" -o "Dir::Cache=$apt/cache"
  -o "Dir::Etc::sourcelist=$apt/sources.list" -o Dir::Etc::sourceparts=-
  -o Acquire::Languages=none -o Acquire::Check-Valid-Until=false -o APT::Sandbox::User=root
)
{
  apt-get "${options[@]}" update
  apt-get "${options[@]}" install --yes --no-install-recommends --download-only mysql-server-core
  for package in "$apt"/cache/archives/*.deb; do dpkg-deb --extract "$package" "$root"; done
} >&2
rm -rf "$apt"

# With the libraries that it was built for: those of this machine may be older.
cat >"$program" <<'PROGRAM'
#!/bin/sh
root=$(dirname "$0")/root
exec "$root/usr/lib64/ld-linux-x86-64.so.2" --library-path "$root/usr/lib/x86_64-linux-gnu" \
  "$root/usr/sbin/mysqld" "$@" --basedir="$root/usr"
PROGRAM
chmod 755 "$directory" "$program"
echo "$program"

#!/usr/bin/env bash
# Starts a Docker engine for the tests, or stops it, on a Debian machine that has none. Run as root.
#
#   eval "$(.ci/start-docker.sh)"   # prints the environment that leads to the engine
#   .ci/start-docker.sh stop        # keeps its images for the next time
#
# Everything of it (socket, pid file, log, images) lies in one directory: $TEST_DOCKER_DIR.
set -euo pipefail

directory=${TEST_DOCKER_DIR:-${TMPDIR:-/tmp}/kysely-replica-fallback-docker}
pid_file=$directory/docker.pid
log=$directory/dockerd.log
export DOCKER_HOST=unix://$directory/docker.sock

is_running() {
  [ -f "$pid_file" ] && [ "$(cat "/proc/$(cat "$pid_file")/comm" 2>/dev/null)" = dockerd ]
}

fail() {
  echo "$1 Its log ends with:" >&2
  tail -n 20 "$log" >&2
  exit 1
}

stop() {
  is_running || return 0
  local pid
  pid=$(cat "$pid_file")
  kill "$pid"
  for _ in {1..300}; do
    [ -d "/proc/$pid" ] || return 0
    sleep 0.1
  done
  fail 'The Docker engine did not stop within 30 s.'
}

start() {
  if ! { command -v dockerd && command -v docker && command -v iptables; } >/dev/null; then
    apt-get update >&2
    # The packages come for their programs: in runlevel 1 they start no engine of their own.
    RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive \
      apt-get install --yes --no-install-recommends docker.io iptables >&2
  fi
  mkdir -p "$directory"
  if ! is_running; then
    setsid dockerd \
      --host "$DOCKER_HOST" \
      --data-root "$directory/data" \
      --exec-root "$directory/exec" \
      --pidfile "$pid_file" \
      </dev/null >"$log" 2>&1 &
  fi
  for _ in {1..300}; do
    if docker info >/dev/null 2>&1; then
      # There is no registry to take the clean-up container of testcontainers from.
      echo "export DOCKER_HOST=$DOCKER_HOST TESTCONTAINERS_RYUK_DISABLED=true"
      return
    fi
    sleep 0.1
  done
  fail 'The Docker engine did not answer within 30 s.'
}

case ${1:-start} in
  start | stop) "${1:-start}" ;;
  *) echo "Usage: $0 [start|stop]" >&2 && exit 2 ;;
esac

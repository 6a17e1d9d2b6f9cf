# What `run` and `nightly` share. Each of them sources this, defines a function for each of its parts, and ends with `run_parts`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export KYSELY_REPLICA_FALLBACK_TEST_RUNTIME=embedded KYSELY_REPLICA_FALLBACK_TEST_CHROMIUM=packaged

reports=$(mktemp -d)
finish() {
  .ci/start-docker.sh stop
  rm -rf "$reports"
}
trap finish EXIT

status=0
attempt() {
  "$@" || {
    status=1
    echo "Failed: $*"
  }
}

# Usage: run_tests NAME COMMAND..., which is Vitest, and where NAME is how these tests are called at the end.
#
# A test that fails runs once more, because a machine that others use too may stand still at any moment. Those that look for
# what must never happen do not (`retry: 0`). The end names the tests that did, and too many are a failure.
run_tests() {
  attempt "${@:2}" --retry=1 --reporter=default --reporter=./test/support/left-out-reporter.ts \
    --reporter=json --outputFile.json="$reports/$1.json"
}

# Usage: install PROGRAM=PACKAGE... installs the packages of Debian whose programs are missing.
install() {
  local packages=() pair
  for pair in "$@"; do
    command -v "${pair%=*}" >/dev/null || packages+=("${pair#*=}")
  done
  [ ${#packages[@]} -gt 0 ] || return 0
  apt-get update
  # The packages come for their programs: in runlevel 1 they start no server of their own.
  RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive \
    apt-get install --yes --no-install-recommends "${packages[@]}"
}

# Usage: use_containers VERSION, of PostgreSQL
use_containers() {
  eval "$(.ci/start-docker.sh)"
  .ci/build-postgres-image.sh "$1"
  export KYSELY_REPLICA_FALLBACK_TEST_RUNTIME=testcontainers
  export KYSELY_REPLICA_FALLBACK_TEST_IMAGE=kysely-replica-fallback-postgres:$1
}

# Usage: run_parts 'PART...' [PART...]: of the first, those that are named after them, or all.
#
# Whatever fails, the others run. The end says how long each of them took, and counts the tests.
run_parts() {
  local all=$1 part start code times=''
  shift
  for part in "$@"; do
    [[ " $all " == *" $part "* ]] || { echo "Usage: $0 [PART...], of: $all" >&2 && exit 2; }
  done
  npm ci
  for part in ${*:-$all}; do
    echo "== $part"
    start=$SECONDS
    # In a shell of its own, for what it exports, and where the first command that fails ends it.
    set +e
    (
      set -e
      status=0
      "$part"
      exit $status
    )
    code=$?
    set -e
    [ $code -eq 0 ] || status=1
    times+=$(printf '%5d s  %s%s' $((SECONDS - start)) "$part" "$([ $code -eq 0 ] || echo ', which failed')")$'\n'
  done
  shopt -s nullglob
  node .ci/count-tests.js "$reports"/*.json >"$reports/counts" || status=1
  echo
  head -n -1 "$reports/counts"
  echo "$times"
  tail -n 1 "$reports/counts"
  exit $status
}

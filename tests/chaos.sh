#!/usr/bin/env bash
# All faults with one command, as often as one likes and always with the same numbers:
#
#   tests/chaos.sh [ROUNDS [SEED]]     200 rounds of everything random; some hours
#
# It prints a table (fault, test, lines written, delivered, repeated, lost, bytes unreachable), and writes its figures
# into the one of docs/delivery.md. The first fault that does not hold ends it.
#
# As root it makes those faults, too, that need mounts and control groups, and with Go, a JDK and Maven those of real
# stores; else it says that they are left out. `.ci/run` runs the same tests with fewer rounds. What is large is made so
# by the environment: TAILWATER_TEST_BYTES (200MB) for backlogs, TAILWATER_TEST_OUTAGE (a store that is down; 9GB is half
# an hour at 5 MB/s), TAILWATER_TEST_BACKLOG (what a store comes back to, and what 64 MiB of memory read; 10GB),
# TAILWATER_TEST_SOAK (seconds of everything at once; 1800), TAILWATER_TEST_PROGRAMS (random programs; as many as rounds).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export TAILWATER_TEST_ROUNDS=${1:-200} TAILWATER_TEST_SEED=${2:-1952541036}
export TAILWATER_TEST_PROGRAMS=${TAILWATER_TEST_PROGRAMS:-$TAILWATER_TEST_ROUNDS}
export TAILWATER_TEST_BYTES=${TAILWATER_TEST_BYTES:-200MB} TAILWATER_TEST_OUTAGE=${TAILWATER_TEST_OUTAGE:-9GB}
export TAILWATER_TEST_BACKLOG=${TAILWATER_TEST_BACKLOG:-10GB} TAILWATER_TEST_SOAK=${TAILWATER_TEST_SOAK:-1800}
TAILWATER_TEST_FIGURES=$(mktemp)
export TAILWATER_TEST_FIGURES
trap 'rm -f "$TAILWATER_TEST_FIGURES"' EXIT

main() {
  echo "chaos: $TAILWATER_TEST_ROUNDS rounds, seed $TAILWATER_TEST_SEED"
  cargo test --test faults --test sinks --test files --test flow --test model -- --nocapture
  cargo test --test soak -- --nocapture
  if [ "$(id -u)" = 0 ]; then
    tests/faults/run --nocapture
  else
    echo 'chaos: not root, so full disks, failing fsyncs, power cuts, lost packets and control groups are left out: tests/faults/run'
  fi
  if command -v go >/dev/null && command -v javac >/dev/null && command -v mvn >/dev/null; then
    tests/stores/run kills
  else
    echo 'chaos: no Go, JDK or Maven, so real stores are left out: tests/stores/run kills'
  fi
  fill
  sed -n '/^<!-- begin faults -->/,/^<!-- end -->/p' docs/delivery.md | cut -d '|' -f 2-8
  echo "chaos: everything held, with $TAILWATER_TEST_ROUNDS rounds and seed $TAILWATER_TEST_SEED"
}

# The figures go into the table; where a test did not run, those of before stay.
fill() {
  local filled
  filled=$(mktemp)
  awk -v "title=$(date -u +%F): $TAILWATER_TEST_ROUNDS rounds, seed $TAILWATER_TEST_SEED, $TAILWATER_TEST_SOAK s of everything at once" \
    -f tests/faults/figures.awk "$TAILWATER_TEST_FIGURES" docs/delivery.md >"$filled"
  cat "$filled" >docs/delivery.md
  rm -f "$filled"
}

main

#!/usr/bin/env bash
# All faults with one command, as often as one likes and always with the same numbers:
#
#   tests/chaos.sh [ROUNDS [SEED]]     200 rounds of everything random; half an hour and more
#
# As root it makes those faults, too, that need mounts and control groups; else it says that they are left to
# `tests/faults/run`. `.ci/run` runs the same tests with fewer rounds.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export TAILWATER_TEST_ROUNDS=${1:-200} TAILWATER_TEST_SEED=${2:-1952541036}
echo "chaos: $TAILWATER_TEST_ROUNDS rounds, seed $TAILWATER_TEST_SEED"
cargo test --test faults -- --nocapture
TAILWATER_TEST_BYTES=${TAILWATER_TEST_BYTES:-200MB} cargo test --test flow --test files -- --nocapture
if [ "$(id -u)" = 0 ]; then
  tests/faults/run --nocapture
else
  echo 'chaos: not root, so full disks, failing fsyncs, power cuts and control groups are left out: tests/faults/run'
fi
echo "chaos: everything held, with $TAILWATER_TEST_ROUNDS rounds and seed $TAILWATER_TEST_SEED"

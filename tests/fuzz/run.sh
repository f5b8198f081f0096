#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# run.sh BUILD SECONDS TARGET: runs one fuzz target for scripts/fuzz and prints its line.
build=$1 seconds=$2 target=$3
dictionary=tests/fuzz/$target.dict
log=$build/logs/$target.log
mkdir -p "$build/corpus/$target" "$build/findings"

set -- "$build/corpus/$target" "$build/seeds/$target"
[ ! -d "${WICK_FUZZ_SEEDS:-}/$target" ] || set -- "$@" "$WICK_FUZZ_SEEDS/$target"
[ ! -f "$dictionary" ] || set -- -dict="$dictionary" "$@"

# An input may take ten seconds and half a gigabyte; a reader's own share is held by reader_run. The clock
# counts: at the lowest priority give more with WICK_FUZZ_TIMEOUT.
ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1:allocator_may_return_null=0 \
  UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 \
  "$build/tests/fuzz/fuzz_$target" -max_total_time="$seconds" -max_len=8192 -timeout="${WICK_FUZZ_TIMEOUT:-10}" \
  -malloc_limit_mb=512 -rss_limit_mb=2048 -print_final_stats=1 -reload=0 \
  -artifact_prefix="$build/findings/$target-" "$@" >"$log" 2>&1
status=$?

# The second line of `times` is about children: 1m2.34s 0m0.56s.
times >"$log.times"
processor=$(sed -n '2{s/[ms]/ /g;p;}' "$log.times" | awk '{ printf "%d", 60 * $1 + $2 + 60 * $3 + $4 }')

runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
coverage=$(sed -n 's/.* cov: \([0-9]*\) ft: \([0-9]*\) .*/\1 edges, \2 features/p' "$log" | tail -n 1)
if [ $status -eq 0 ] && [ "${runs:-0}" -gt 0 ]; then
  echo "ok fuzz-$target $runs runs in $seconds s ($processor s of a processor), $coverage, 0 findings"
else
  grep -v '^#[0-9]\|^INFO' "$log" | tail -n 40
  echo "FAIL fuzz-$target exit status $status after ${runs:-0} runs; see $build/findings/"
  exit 1
fi

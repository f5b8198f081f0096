#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The quick tests under valgrind: tests/valgrind.sh [BUILD]. Any invalid access, use of what was never
# written, or lost block fails. For line numbers, name a build with debug information (-O1 -g).
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/support/report.sh
command -v valgrind >/dev/null || {
  skip valgrind "not installed"
  exit 0
}
build=${1:-build/release}
logs=build/logs/valgrind
mkdir -p $logs

# "Possibly lost" are the stacks of threads that wait for work when a test ends. `unit_maths` tries
# millions of numbers and touches no memory.
find "$build/tests" -maxdepth 1 \( -name 'unit_*' -o -name op_tests \) ! -name unit_maths -type f \
  -perm -u+x | sort | WICK_TEST_UNTIMED=1 xargs -P 2 -I PROGRAM sh -c '
    log=$1/$(basename "$2").log
    begin=$(date +%s)
    valgrind -q --error-exitcode=99 --leak-check=full --show-leak-kinds=definite,indirect \
      --errors-for-leak-kinds=definite,indirect --num-callers=20 "$2" >"$log" 2>&1 </dev/null
    echo "$? $(($(date +%s) - begin))" >"$log.status"' sh $logs PROGRAM

for status in $logs/*.log.status; do
  log=${status%.status}
  name=valgrind-$(basename "$log" .log)
  read -r result seconds <"$status"
  if [ "$result" -eq 0 ]; then
    good "$name" "$(grep -c '^\[       OK \]' "$log") tests, $seconds s"
  else
    bad "$name" "exit status $result"
    grep -v '^\[ RUN \|^\[       OK' "$log" | head -n 40 | sed 's/^/     /'
  fi
  rm -f "$status"
done
finish

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
build=$(realpath "${1:-build/release}")
logs=$PWD/build/logs/valgrind
rm -rf "$logs"
mkdir -p "$logs"

# "Possibly lost" are the stacks of threads that wait for work when a test ends.
valgrind="valgrind -q --error-exitcode=99 --leak-check=full --show-leak-kinds=definite,indirect
  --errors-for-leak-kinds=definite,indirect --num-callers=20"
# shellcheck disable=SC2086
echo '#!/bin/sh' >"$logs/wick" && echo exec $valgrind "'$build/wick'" '"$@"' >>"$logs/wick"
chmod +x "$logs/wick"

# What takes longest comes first. `unit_maths` tries millions of numbers and touches no memory.
# shellcheck disable=SC2016
{
  ls -d tests/cli/train.sh tests/cli/resume.sh tests/cli/usage.sh "$build/tests/op_tests"
  find "$build/tests" -maxdepth 1 -name 'unit_*' ! -name unit_maths -type f -perm -u+x | sort
} | WICK_TEST_QUICK=1 WICK=$logs/wick WICK_TOOLS=$build/tests xargs -P 2 -I PROGRAM sh -c '
    log=$1/$(basename "$3").log
    begin=$(date +%s)
    case $3 in *.sh) checker=sh ;; *) checker=$2 ;; esac
    $checker "$3" >"$log" 2>&1 </dev/null
    echo "$? $(($(date +%s) - begin))" >"$log.status"' sh "$logs" "$valgrind" PROGRAM

for status in "$logs"/*.log.status; do
  log=${status%.status}
  name=valgrind-$(basename "$log" .log)
  read -r result seconds <"$status"
  if [ "$result" -eq 0 ]; then
    good "$name" "$(grep -cE '^(\[       OK \]|ok )' "$log") tests, $seconds s"
  else
    bad "$name" "exit status $result"
    grep -vE '^(\[ RUN |\[       OK|ok )' "$log" | head -n 40 | sed 's/^/     /'
  fi
  rm -f "$status"
done
finish

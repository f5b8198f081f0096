#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# wick info and wick bench print what they promise; how fast the machine is, is not judged here.
set -u
. "$(dirname "$0")/../support/report.sh"
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1

"$WICK" info >info || bad info $?
for word in wick processor threads devices glyphs WICK_THREADS; do
  is "info-line-$word" "$(grep -c -E "^ *$word  " info)" 1
done
is info-json "$("$WICK" info --json | grep -c '^{"version":.*"environment":{.*}}$')" 1
is info-threads "$(WICK_THREADS=1 "$WICK" info | sed -n 's/^threads *//p')" 1

"$WICK" bench ops 16] >ops || bad bench-ops $?
number_is bench-ops "$(grep -c ' ns$' ops)" '>=' 5 ' rows'
is bench-ops-json "$("$WICK" bench ops 16] --json | grep -c -v '^{"bench":"ops",".*}$')" 0
"$WICK" bench gemm >gemm || bad bench-gemm $?
is bench-gemm "$(tail -n 1 gemm | grep -c -E '^gemm: [0-9.]+% of FMA peak$')" 1
finish

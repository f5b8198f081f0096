# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# How shell tests report: one line for each check, `ok NAME FIGURE`, `FAIL NAME FIGURE` or
# `skip NAME WHY`. Read in with `. tests/support/report.sh`; the script ends with `finish`.

failures=0
good() { echo "ok $1 $2"; }
bad() {
  echo "FAIL $1 $2"
  failures=$((failures + 1))
}
skip() { echo "skip $1 $2"; }

# $1: name, $2: what was found, $3: what it must be; nothing found is never right
is() {
  if [ -n "$2" ] && [ "$2" = "$3" ]; then good "$1" "$2"; else bad "$1" "'$2', not '$3'"; fi
}

# $1: name, $2: figure, $3: comparison of awk, $4: bound, $5: unit
number_is() {
  if echo "$2 $4" | awk 'NF == 2 { exit !($1 '"$3"' $2) } { exit 1 }'; then
    good "$1" "$2$5"
  else
    bad "$1" "$2$5, not $3 $4$5"
  fi
}

finish() {
  [ "$failures" -eq 0 ]
  exit
}

# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# The beginning of tests that run the command on digits: read in by $0, it goes to a folder that is
# removed in the end and says what `run` is.
support=$(realpath "$(dirname "$0")/../support")
. "$support/report.sh"
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
. "$support/digits.sh"

run() { # $1: name, $2...: words for wick; output in ./NAME
  name=$1
  shift
  if "$WICK" "$@" >"$name" 2>&1; then
    good "$name" 0
  else
    bad "$name" "exit status $?: $(tail -n 3 "$name")"
  fi
}

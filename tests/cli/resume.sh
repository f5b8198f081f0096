#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs that are killed or interrupted, and go on as if they had not been.
set -u
support=$(realpath "$(dirname "$0")/../support")
. "$support/report.sh"
folder=$(mktemp -d) || exit 1
child=
trap '[ -z "$child" ] || kill -9 "$child" 2>/dev/null; rm -rf "$folder"' EXIT
cd "$folder" || exit 1
. "$support/digits.sh"

# No function for running it: that would put a shell between us and the process to kill.
set -- train $data --model mlp --limit 3000 --epochs 6 --seed 3

wait_for() { # until the file is there or the child is gone
  while [ ! -f "$1" ] && kill -0 "$child" 2>/dev/null; do sleep 0.02; done
}

"$WICK" "$@" --out whole >whole.log 2>&1 || bad whole "$(tail -n 3 whole.log)"

# Killed at several moments, the first perhaps before any step.
for delay in 0 0.1 0.3; do
  rm -rf killed
  "$WICK" "$@" --out killed --checkpoint-seconds 0.05 >killed.log 2>&1 &
  child=$!
  wait_for killed/checkpoint.safetensors
  sleep $delay
  kill -9 $child 2>/dev/null
  wait $child 2>/dev/null
  child=
  if "$WICK" train --resume killed >resumed.log 2>&1 &&
    cmp whole/model.safetensors killed/model.safetensors &&
    cmp whole/checkpoint.safetensors killed/checkpoint.safetensors; then
    good "killed-after-$delay" "$(wc -c <killed/model.safetensors) equal bytes"
  else
    bad "killed-after-$delay" "$(tail -n 3 resumed.log)"
  fi
done

# Eager steps and those of a plan leave the same bytes, also where one goes on with the other's run.
"$WICK" "$@" --eager --out eager >eager.log 2>&1 || bad eager "$(tail -n 3 eager.log)"
is eager-model "$(cmp whole/model.safetensors eager/model.safetensors && echo equal)" equal
is eager-checkpoint "$(cmp whole/checkpoint.safetensors eager/checkpoint.safetensors && echo equal)" equal
for other in '' --eager; do # shellcheck disable=SC2086 # each is a word or none
  rm -rf killed
  [ -n "$other" ] && first= || first=--eager
  "$WICK" "$@" $first --out killed --checkpoint-seconds 0.05 >killed.log 2>&1 &
  child=$!
  wait_for killed/checkpoint.safetensors
  sleep 0.1
  kill -9 $child 2>/dev/null
  wait $child 2>/dev/null
  child=
  "$WICK" train --resume killed $other >resumed.log 2>&1
  is "goes-on${other:---plan}" "$(cmp whole/model.safetensors killed/model.safetensors && echo equal)" equal
done

# A run long enough to be interrupted.
"$WICK" train $data --model mlp --epochs 500 --out stopped >stopped.log 2>&1 &
child=$!
wait_for stopped/checkpoint.safetensors
sleep 0.2
kill -INT $child
wait $child
is interrupted $? 130
child=
is says-how "$(grep -c 'wick train --resume stopped' stopped.log)" 1
"$WICK" train $data --model mlp --out stopped >refused.log 2>&1
is unfinished $? 1
is unfinished-hint "$(grep -c 'wick train --resume stopped' refused.log)" 1
"$WICK" train --resume stopped --seed 9 >refused.log 2>&1
is other-seed $? 2
"$WICK" train mnist --resume stopped >refused.log 2>&1
is other-data $? 2
"$WICK" train $data --resume stopped --model mlp --epochs 1 >short.log 2>&1
is fewer-epochs $? 0

# More epochs than at first: the same as if they had been wanted from the beginning, where the step
# size does not depend on how many there are.
"$WICK" train $data --model mlp --limit 500 --schedule constant --epochs 3 --out at-once >/dev/null 2>&1
"$WICK" train $data --model mlp --limit 500 --schedule constant --epochs 1 --out later >/dev/null 2>&1
"$WICK" train --resume later --epochs 3 >later.log 2>&1
if cmp at-once/model.safetensors later/model.safetensors; then
  good more-epochs "equal bytes"
else
  bad more-epochs "$(tail -n 3 later.log)"
fi
finish

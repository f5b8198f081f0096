#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What the command says about itself, and about being called wrongly.
set -u
. "$(dirname "$0")/../support/report.sh"
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1

# $1: name, $2: exit status, $3: what the output must contain, $4...: words for wick
says() {
  name=$1 expected=$2 text=$3
  shift 3
  "$WICK" "$@" >out 2>&1
  status=$?
  if [ $status -ne "$expected" ]; then
    bad "$name" "exit status $status, not $expected"
  elif ! grep -q -e "$text" out; then
    bad "$name" "no '$text' in: $(cat out)"
  else
    good "$name" "$expected"
  fi
}

says version 0 '^wick [0-9]*\.[0-9]*\.[0-9]*$' --version
says help 0 'wick help COMMAND' --help
says help-command 0 'predict' help
for command in train eval predict inspect info bench; do
  says "help-$command" 0 "^usage: wick $command" help $command
  says "option-help-$command" 0 "^usage: wick $command" $command --help
done
says nothing 2 '^usage: wick COMMAND'
says no-command 2 'there is no command trian; did you mean train' trian
says no-option 2 'there is no option --epoch; did you mean --epochs' train glyphs --epoch 3
says no-value 2 'needs a value: N' train glyphs --epochs
says no-number 2 "epochs cannot be 'three'" train glyphs --epochs three
says out-of-range 2 'from 1 to' train glyphs --epochs=0
says no-model 2 'it is one of convnet, lenet, cifar, mlp' train glyphs --model resnet
says no-data 2 'it needs DATA' train
says two-data 2 "'mnist' is one argument too many" train glyphs mnist
says no-file 2 'it needs MODEL FILE' predict model
says no-bench 2 'gemm, conv, ops, mlp, lenet or cifar' bench conf
says out-and-resume 2 'its own folder' train --resume a --out b
says missing-data 1 'hint: ' train --out x "$folder/nowhere"
says missing-model 1 'cannot open nowhere.safetensors' eval nowhere.safetensors
says missing-run 1 'checkpoint.safetensors' train --resume nowhere
echo "no model" >text.safetensors
says wrong-file 1 'text.safetensors' predict text.safetensors picture.png
finish

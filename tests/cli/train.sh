#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Training, scoring and predicting on digits that Wick draws, and on folders of pictures.
set -u
. "$(dirname "$0")/../support/command.sh"

# shellcheck disable=SC2086 # $training is several words
run train train $data --model $model $training --out run
is sizes "$(grep -o "$sizes, 28x28x1, 10 classes" train)" "$sizes, 28x28x1, 10 classes"
accuracy=$(grep '^test accuracy' train)
number_is accuracy "$(echo "$accuracy" | sed 's/test accuracy \([0-9.]*\)%.*/\1/')" '>=' $bound %
run eval eval run/model.safetensors
is eval-accuracy "$(grep '^test accuracy' eval)" "$accuracy"
run eval-one eval run/model.safetensors --batch-size 7 --threads 1
is eval-one-accuracy "$(grep '^test accuracy' eval-one)" "$accuracy"
run eval-checkpoint eval run/checkpoint.safetensors
is eval-checkpoint-accuracy "$(grep '^test accuracy' eval-checkpoint)" "$accuracy"
run eval-json eval run/model.safetensors --json
is eval-json-lines "$(grep -c '^{.*"test_accuracy":.*}$' eval-json)" 1

# shellcheck disable=SC2086
run again train $data --model $model $training --out run # a finished run is replaced
is again-accuracy "$(grep '^test accuracy' again)" "$accuracy"

run train-json train $data --limit 500 --epochs 2 --model mlp --optimizer sgd --json --out json
is json-begin "$(grep -c '^{"event":"begin".*}$' train-json)" 1
is json-epochs "$(grep -c '^{"event":"epoch".*"test_accuracy":.*}$' train-json)" 2
is json-end "$(tail -n 1 train-json | grep -c '^{"event":"end".*"test_accuracy":.*}$')" 1
is json-only "$(grep -c -v '^{.*}$' train-json)" 0

mkdir pictures
"$WICK_TOOLS/export_images" glyphs test 100 pictures || bad export-images 1
set -- pictures/*/*.png
run predict predict run/model.safetensors "$1" --top 2
is predict-line "$(grep -c -E '^pictures/.*\.png: [0-9] [0-9.]+%, [0-9] [0-9.]+%$' predict)" 1
run predict-json predict run/model.safetensors "$@" --json
right=$(sed 's|.*"file":"pictures/\([0-9]\)/[^"]*","class":"\([0-9]\)".*|\1 \2|' predict-json |
  awk '$1 == $2' | wc -l)
number_is predict-right "$right" '>=' $bound " of $#"
"$WICK" predict run/model.safetensors "$1" none.png >predict-none 2>&1
is predict-none $? 1
is predict-none-goes-on "$(grep -c -e '%$' predict-none) $(grep -c none.png predict-none)" "1 1"

run train-folder train pictures --model $model --epochs 1 --batch-size 8 --out folder
is folder-sizes "$(sed -n 's/^\([0-9]*\) training and \([0-9]*\) test images, 28x28x1, 10 .*/\1 \2/p' \
  train-folder | awk '{ print $1 + $2, ($1 > 70 && $1 < 90) }')" "100 1"
run eval-folder eval folder/model.safetensors
is eval-folder-accuracy "$(grep '^test accuracy' eval-folder)" "$(grep '^test accuracy' train-folder)"

run default-folder train $data --limit 32 --epochs 1
is default-folder-model "$(ls runs/$data-convnet/model.safetensors)" runs/$data-convnet/model.safetensors
finish

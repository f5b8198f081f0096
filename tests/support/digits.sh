# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh disable=SC2034
# What shell tests train on. Read in from the folder to work in; sets
#   data, sizes      the data set's name, and how many images `wick train` finds in it
#   model, training  a network and how long to train it, for the accuracy to reach `bound` percent
# With WICK_TEST_QUICK, under the thread sanitizer, valgrind or an emulator, where the usual runs take
# hours: 120 digits in a folder, and the network without convolutions.

if [ -n "${WICK_TEST_QUICK:-}" ]; then
  mkdir -p digits/train digits/test
  "$WICK_TOOLS/export_images" glyphs train 120 digits/train || bad export-images 1
  "$WICK_TOOLS/export_images" glyphs test 40 digits/test || bad export-images 1
  data=digits sizes='120 training and 40 test images' bound=50
  model=mlp training='--epochs 6 --batch-size 8'
else
  data=glyphs sizes='2,000 training and 2,000 test images' bound=80
  model=convnet training='--epochs 2 --limit 2000'
fi

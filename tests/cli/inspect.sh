#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Plans of built-in and of saved networks, as lines and as pictures.
set -u
. "$(dirname "$0")/../support/command.sh"

run lenet inspect lenet
is parameters "$(grep -c '^lenet, a prediction: 61,706 parameters, 1 example, [0-9]* steps$' lenet)" 1
is convolution "$(grep -c '^ *1 .*= conv2d(@0, $0.weight, $0.bias.*   at network.0 (conv2d)   by cpu:conv2d, 0.235' lenet)" 1
is memory "$(grep -c -E '^(inputs|memory that stays|results|without reuse|most in use at once|arena) ' lenet)" 6
steps=$(sed -n '1 s/.* \([0-9]*\) steps$/\1/p' lenet)
is kernels "$(grep -c -E '^ +[0-9]+ cpu:conv2d +[0-9.]+ MFLOP +[0-9.]+ KiB$' lenet)" 1
is a-line-a-step "$(grep -c -E '^ *[0-9]+ +[0-9.]+ (bytes|KiB|MiB)' lenet)" "$steps"

run step inspect transformer --train --batch-size 4 --svg step.svg
is step-updates "$(grep -c 'sgd_update(' step)" 1
is picture "$(head -c 4 step.svg) $(tail -n 1 step.svg)" '<svg </svg>'
is picture-steps "$(grep -c '^<rect .*<text ' step.svg)" "$(sed -n '1 s/.* \([0-9]*\) steps$/\1/p' step)"
command -v python3 >/dev/null && is picture-xml \
  "$(python3 -c 'import xml.dom.minidom as m; m.parse("step.svg"); print("whole")' 2>&1)" whole

# A batch that no machine could hold is planned all the same.
run large inspect vgg19 --train --batch-size 1000000
is large-arena "$(grep -c '^arena  *[0-9.]* TiB$' large)" 1

# shellcheck disable=SC2086,SC2154 # $data comes from digits.sh
run train train $data --model mlp --epochs 1 --limit 100 --out run
run saved inspect run/model.safetensors --train
is saved-step "$(grep -c '^run/model.safetensors, a training step: ' saved)" 1

"$WICK" inspect resnet51 >none 2>&1
is no-model $? 1
is no-model-hint "$(grep -c 'hint: wick help inspect lists the built-in networks' none)" 1
"$WICK" inspect lenet --svg nowhere/x.svg >none 2>&1
is no-place $? 1
is no-place-says "$(grep -c 'cannot write nowhere/x.svg' none)" 1
finish

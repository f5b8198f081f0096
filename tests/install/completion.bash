#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What bash offers after words of a command line. completion.bash WICK SCRIPT, where SCRIPT is the
# installed completion; prints `ok NAME FIGURE` lines as other shell tests.
wick=$1
# shellcheck source=/dev/null
. "$2"
. "$(dirname "$0")/../support/report.sh"

# $1: name, $2: what must be offered, sorted, $3...: the words, the last one being typed
offers() {
  local name=$1 wanted=$2
  shift 2
  COMP_WORDS=("$wick" "$@")
  COMP_CWORD=$#
  _wick "$wick" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
  is "completion-$name" "$(printf '%s\n' "${COMPREPLY[@]}" | sort | tr '\n' ' ')" "$wanted "
}

folder=$(mktemp -d) && cd "$folder" || exit 1
trap 'rm -rf "$folder"' EXIT
mkdir glasses && touch glasses/model.safetensors shoe.png

offers commands "--help --version bench eval help info inspect predict train" ""
offers command "predict" pre
offers version "--version" --v
offers help "train" help t
offers data "glasses glyphs" train gl
offers options "--learning-rate --limit" train --l
offers bench-options "--help --json --peers --threads" bench gemm --
offers choice "adagrad adam adamw lion rmsprop sgd" train glyphs --optimizer ""
offers choice-equals "sgd" train glyphs --optimizer = s
offers option-data "fashion-mnist" eval model --data f
offers folder "glasses" train mnist --out gl
offers number "" train mnist --epochs ""
offers file "shoe.png" predict model.safetensors sh
offers parts "cifar conv" bench c
finish

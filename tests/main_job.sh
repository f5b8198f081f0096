#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The main job, as a newcomer does it: a fresh clone, an empty HOME, nobody at the keyboard. Trains on
# the real Fashion-MNIST and uses what comes out in every way that README promises.
#
# tests/main_job.sh [CHECK...] runs all checks or the named ones (each a function check_* below; they
# need `demo`, some only `build`, before them). Prints `ok NAME FIGURE` or `FAIL NAME FIGURE` for each.
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/support/report.sh
here=$(pwd)

folder=$(mktemp -d) || exit 1
child=
cleanup() {
  [ -z "$child" ] || kill -9 "$child" 2>/dev/null
  rm -rf "$folder"
}
trap cleanup EXIT
trap 'exit 1' INT TERM
exec </dev/null
mkdir "$folder/home"
export HOME="$folder/home" WICK_REQUIRE_REAL_DATA=1
unset XDG_CACHE_HOME XDG_CONFIG_HOME MAKEFLAGS MAKELEVEL

git clone --quiet "$here" "$folder/wick" || {
  bad clone "git clone failed"
  finish
}
cd "$folder/wick" || exit 1
wick=build/release/wick
model=runs/demo/model.safetensors

# The last percentage in a text: a command's test accuracy.
accuracy_of() { grep -i accuracy "$1" | grep -o '[0-9.]*%' | tail -n 1; }

# Runs a command of ours into a log; a failure is a FAIL line with the log's end.
run() { # $1: name, $2: log, $3...: command
  name=$1 log=$2
  shift 2
  "$@" >"$log" 2>&1 && return 0
  bad "$name" "exit status $?: $*"
  tail -n 20 "$log" | sed 's/^/     /'
  return 1
}

check_demo() {
  run demo "$folder/demo.log" make demo || finish
  good demo "$(grep -c . "$folder/demo.log") lines"
  is "sizes" "$(grep -o '60,000 training and 10,000 test images' "$folder/demo.log" | head -n 1)" \
    "60,000 training and 10,000 test images"
  for part in train-images-idx3 train-labels-idx1 t10k-images-idx3 t10k-labels-idx1; do
    file=$(grep -o "[^ ]*$part-ubyte[.gz]*" "$folder/demo.log" | head -n 1)
    if [ -f "$file" ]; then good "file-$part" "$file"; else bad "file-$part" "'$file' not read"; fi
  done
  seconds=$(sed -n 's/.*trained .* in \([0-9.]*\) s.*/\1/p' "$folder/demo.log" | head -n 1)
  # tests/done/2-main-job holds it to a minute; without that, as in CI, only to not hanging.
  number_is train-seconds "$seconds" "<=" "${WICK_TRAIN_SECONDS:-900}" " s"
  trained=$(sed '/wick eval/,$d' "$folder/demo.log" >"$folder/train.log" &&
    accuracy_of "$folder/train.log")
  number_is test-accuracy "${trained%\%}" ">=" 90 "%"
}

# In place of the demo, for checks that need only the command.
check_build() { run build "$folder/build.log" make all || finish; }

check_eval() {
  run eval "$folder/eval.log" $wick eval $model || return
  is eval-accuracy "$(accuracy_of "$folder/eval.log")" "$trained"
}

export_images() { # $1: part, $2: count, $3: folder
  mkdir -p "$3"
  run export-images "$folder/export.log" "$tools/export_images" fashion-mnist "$1" "$2" "$3"
}

# PNG files of twenty unseen images: one to look at closely, all to see that files and IDX agree.
check_predict() {
  export_images test 20 "$folder/unseen" || return
  set -- "$folder"/unseen/*/*.png
  run predict "$folder/predict.log" $wick predict $model "$1" || return
  line=$(grep -E '[0-9.]+ ?%' "$folder/predict.log" | tail -n 1)
  case $line in
    *[A-Za-z]*%*) good predict "$line" ;;
    *) bad predict "no class name and probability in '$line'" ;;
  esac
  run predict-json "$folder/predict.json" $wick predict $model "$@" --json || return
  right=$(python3 tests/tools/count_right.py "$folder/predict.json")
  number_is predict-right "$right" ">=" 15 " of $#"
}

check_folder() {
  export_images train 500 "$folder/pictures" || return
  run folder "$folder/folder.log" $wick train "$folder/pictures" --epochs 2 --out runs/pictures ||
    return
  run folder-eval "$folder/folder-eval.log" $wick eval runs/pictures/model.safetensors \
    --data "$folder/pictures" || return
  number_is folder-accuracy "$(accuracy_of "$folder/folder-eval.log" | tr -d %)" ">=" 20 "%"
}

# Killed without warning once a checkpoint is there, a run resumes to the same bits.
check_resume() {
  run whole "$folder/whole.log" $wick train glyphs --epochs 4 --seed 3 --out runs/whole || return
  $wick train glyphs --epochs 4 --seed 3 --out runs/killed >"$folder/killed.log" 2>&1 &
  child=$!
  while [ ! -f runs/killed/checkpoint.safetensors ] && kill -0 $child 2>/dev/null; do
    sleep 0.05
  done
  sleep 0.2 # into the next epoch
  kill -9 $child 2>/dev/null
  wait $child 2>/dev/null
  is killed $? 137
  child=
  run resume "$folder/resume.log" $wick train glyphs --epochs 4 --seed 3 --resume runs/killed ||
    return
  if cmp runs/whole/model.safetensors runs/killed/model.safetensors; then
    good resume "$(wc -c <runs/killed/model.safetensors) equal bytes"
  else
    bad resume "another model than the undisturbed run's"
  fi
}

# TensorBoard itself, in an environment of this repository's build folder.
check_tensorboard() {
  python=$here/build/tensorboard/bin/python
  if ! "$python" -c 'import tensorboard' 2>/dev/null; then
    run tensorboard-install "$folder/pip.log" sh -c "python3 -m venv '$here/build/tensorboard' &&
      '$python' -m pip install --quiet --disable-pip-version-check tensorboard==2.20.0" || return
  fi
  for run in demo whole killed; do
    run tensorboard "$folder/$run.events" "$python" tests/tools/read_events.py runs/$run || return
  done
  # 60,000 images in batches of 64 make 938 steps, the last batch being smaller.
  is tensorboard-steps "$(awk '$1 == "accuracy/validation" { printf "%s ", $2 }' "$folder/demo.events")" \
    "938 1876 2814 3752 4690 "
  is tensorboard-accuracy "$(awk '$1 == "accuracy/validation" { value = $3 }
    END { printf "%.2f%%", 100 * value }' "$folder/demo.events")" "$trained"
  number_is tensorboard-losses "$(grep -c '^loss/train ' "$folder/demo.events")" ">=" 5 " scalars"
  # A run that was killed and resumed has the same curves as an undisturbed one, without doubles.
  for run in whole killed; do
    grep -E '^(loss/train|accuracy/validation) ' "$folder/$run.events" >"$folder/$run.curves"
  done
  if [ -s "$folder/whole.curves" ] && cmp "$folder/whole.curves" "$folder/killed.curves"; then
    good tensorboard-resumed "$(grep -c . "$folder/whole.curves") equal scalars"
  else
    bad tensorboard-resumed "other curves than the undisturbed run's"
  fi
}

# The control: with labels drawn at random there is nothing to learn, so a good score would be a bug.
check_shuffled_labels() {
  run shuffled-labels "$folder/shuffled.log" $wick train fashion-mnist --shuffle-labels \
    --epochs 2 --out runs/shuffled || return
  number_is shuffled-labels "$(accuracy_of "$folder/shuffled.log" | tr -d %)" "<" 15 "%"
}

tools=$folder/wick/build/release/tests
for check in ${*:-demo eval predict folder resume tensorboard shuffled_labels}; do
  "check_$check"
done
finish

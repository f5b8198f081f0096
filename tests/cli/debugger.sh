#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# gdb and lldb stop in a training step of a program that was built against an installed library
# without debug information, and show tensors, their values and the network: in the running program,
# and gdb also in a core dump of it.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/support/report.sh
: "${WICK:=build/release/wick}"
build=$(dirname "$WICK")
{ command -v gdb || command -v lldb || command -v lldb-14; } >/dev/null || exit 77
[ -f "$build/libwick.so" ] && command -v cmake >/dev/null || exit 77
# Programs with sanitizers do not run under a debugger; those of other processors neither.
nm -D "$build/libwick.so" | grep -qE '__(asan|tsan|ubsan)_' && exit 77
root=$(mktemp -d) || exit 1
trap 'rm -rf "$root"' EXIT
cmake --install "$build" --prefix "$root/usr" >"$root/install.log" || { cat "$root/install.log"; exit 1; }
${CC:-cc} -std=gnu11 -g -O0 -I"$root/usr/include" -o "$root/step" tests/debugger/step.c \
  -L"$root/usr/lib" -L"$root/usr/lib64" -lwick -Wl,-rpath,"$root/usr/lib:$root/usr/lib64" || exit 77
LC_ALL=C HOME=$root
export LC_ALL HOME
line() { grep -n "$1" tests/debugger/step.c | cut -d: -f1; }
step=$(line '/\* stop here \*/') error=$(line '/\* stop here too \*/')

has() { # $1: name, $2: text that the debugger must have printed
  if grep -qF "$2" "$log"; then good "$1" "$2"; else bad "$1" "'$2' is not in the output"; fi
}
shows() { # $1: debugger
  has "$1-tensor" 'f32 [2, 3]: [[1.0000, 2.0000, 3.0000], [4.0000, 5.0000, 6.5000]]'
  has "$1-view" 'f32 [3, 2] permute, strides [1, 3]: [[1.0000, 4.0000], [2.0000, 5.0000], [3.0000, 6.5000]]'
  has "$1-result" 'f32 [2, 2] linear at network.2 (linear), requires gradient: [['
  has "$1-labels" 'i64 [2]: [1, 0]'
  has "$1-null" 'NULL'
  has "$1-network" 'network.0 (linear), built, training: 0.weight f32 [4, 3], 0.bias f32 [4]'
  has "$1-shape" '[2, 3]'
}

# ptrace is not allowed everywhere.
if command -v gdb >/dev/null && gdb -nx -batch -ex 'break main' -ex run "$root/step" 2>&1 |
  grep -q 'Breakpoint 1, main'; then
  log=$root/gdb.log
  gdb -nx -batch -iex "add-auto-load-safe-path $root" \
    -iex "add-auto-load-scripts-directory $root/usr/share/gdb/auto-load" \
    -ex "break step.c:$step" -ex "break step.c:$error" -ex run \
    -ex 'print x' -ex 'print turned' -ex 'print output' -ex 'print labels' -ex 'print t->network' \
    -ex 'print shape' -ex 'print (wk_tensor *)0' -ex 'wick-scopes' \
    -ex 'call (char *)wk_describe(x)' -ex "generate-core-file $root/core" -ex continue -ex wick-error \
    "$root/step" >"$log" 2>&1
  shows gdb
  has gdb-calls '"f32 [2, 3]: [[1.0000, 2.0000, 3.0000], [4.0000, 5.0000, 6.5000]]"'
  has gdb-scopes "this thread's scopes hold "
  has gdb-error 'wick: shape error in add, called from'
  [ "$failures" -eq 0 ] || cat "$log"
  log=$root/core.log
  gdb -nx -batch -iex "add-auto-load-safe-path $root" \
    -iex "add-auto-load-scripts-directory $root/usr/share/gdb/auto-load" \
    -ex 'print x' -ex 'print turned' -ex 'print output' -ex 'print labels' -ex 'print t->network' \
    -ex 'print shape' -ex 'print (wk_tensor *)0' "$root/step" "$root/core" >"$log" 2>&1
  shows core
  [ "$failures" -eq 0 ] || cat "$log"
else
  skip gdb "not installed, or not allowed here"
fi

lldb=$(command -v lldb || command -v lldb-14)
# Debian 12 installs lldb's Python module where lldb does not look.
for folder in /usr/lib/llvm-*/lib/python3*/*-packages; do
  [ -f "$folder/lldb/embedded_interpreter.py" ] && export PYTHONPATH="$folder"
done
log=$root/probe.log
: >"$log"
[ -z "$lldb" ] || "$lldb" --no-lldbinit --batch -o 'script print("works", 6 * 7)' \
  -o 'breakpoint set -n main' -o run "$root/step" >"$log" 2>&1
if grep -q 'works 42' "$log" && grep -q 'stop reason = breakpoint' "$log"; then
  log=$root/lldb.log
  "$lldb" --no-lldbinit --batch \
    -o "command script import $root/usr/share/wick/debugger/wick_lldb.py" \
    -o "breakpoint set -f step.c -l $step" -o run -o 'frame variable x turned output labels shape' \
    -o 'print t->network' -o 'print (wk_tensor *)0' "$root/step" >"$log" 2>&1
  shows lldb
  [ "$failures" -eq 0 ] || cat "$log"
else
  skip lldb "not installed, or without Python, or not allowed here"
fi
finish

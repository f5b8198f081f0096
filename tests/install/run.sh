#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs below a temporary root and builds outside programs against that tree alone, as a user
# would: pkg-config and CMake, GCC and Clang, shared and static, C11 and C++17.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/support/report.sh

root=$(mktemp -d) || exit 1
trap 'rm -rf "$root"' EXIT
prefix=$root/usr/local
make --no-print-directory install DESTDIR="$root" PREFIX=/usr/local || {
  bad install "make install failed"
  finish
}
# Only this tree is looked at, and its libraries.
export PKG_CONFIG_PATH="$prefix/lib/pkgconfig" LD_LIBRARY_PATH="$prefix/lib"
warnings="-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror"
shared="$(pkg-config --cflags --libs wick)"
# The archive by its name, since -lwick would prefer the shared library beside it.
static="$(pkg-config --cflags wick) $prefix/lib/libwick.a \
  $(pkg-config --static --libs wick | sed 's/-lwick//')"
version=$(pkg-config --modversion wick)

build() { # $1: what, $2: compiler and flags, $3: source, $4: libraries
  rm -f "$root/program"
  # shellcheck disable=SC2086
  if $2 -o "$root/program" "$3" $4; then good "$1" "$3"; else bad "$1" "$3"; fi
}
build_and_run() { # as build; the program must print the version
  rm -f "$root/program"
  # shellcheck disable=SC2086
  $2 -o "$root/program" "$3" $4
  is "$1" "$("$root/program")" "$version"
}

for compiler in gcc clang; do
  command -v $compiler >/dev/null || {
    skip "$compiler" "not installed"
    continue
  }
  flags="-std=c11 $warnings"
  build_and_run "$compiler-shared" "$compiler $flags" tests/install/version.c "$shared"
  build_and_run "$compiler-static" "$compiler $flags" tests/install/version.c "$static"
  build "$compiler-example-shared" "$compiler $flags" examples/fashion.c "$shared"
  build "$compiler-example-static" "$compiler $flags" examples/fashion.c "$static"
done
for compiler in g++ clang++; do
  # Clang without a C++ library is found where only C is developed.
  echo '#include <cstdio>' | $compiler -x c++ -fsyntax-only - 2>/dev/null || {
    skip "$compiler" "not installed, or without a library"
    continue
  }
  flags="-std=c++17 $warnings"
  build_and_run "$compiler-as-c" "$compiler -x c++ $flags" tests/install/version.c "$shared"
  build_and_run "$compiler-shared" "$compiler $flags" tests/install/program.cpp "$shared"
  build_and_run "$compiler-static" "$compiler $flags" tests/install/program.cpp "$static"
done

if cmake -S tests/install -B "$root/build" -DCMAKE_PREFIX_PATH="$prefix" >"$root/cmake.log" 2>&1 &&
  cmake --build "$root/build" >>"$root/cmake.log" 2>&1; then
  for program in c_shared c_static cpp_shared cpp_static; do
    is "find-package-$program" "$("$root/build/$program")" "$version"
  done
  needed() { readelf -d "$root/build/$1" | grep -c 'NEEDED.*libwick'; }
  is find-package-links "$(needed c_shared) $(needed c_static)" "1 0"
else
  cat "$root/cmake.log"
  bad find-package "did not build"
fi

for file in share/man/man1/wick.1 share/doc/wick/LICENSE share/doc/wick/THIRD_PARTY.md \
  share/bash-completion/completions/wick; do
  if [ -s "$prefix/$file" ]; then good "installed" "$file"; else bad "installed" "$file"; fi
done
# Nothing that was installed knows where it was built or staged.
strays=$(grep -rlF -e "$(pwd)" -e "$root" "$prefix" | tr '\n' ' ')
if [ -z "$strays" ]; then good no-paths "in no file"; else bad no-paths "$strays"; fi
if command -v bash >/dev/null; then
  bash tests/install/completion.bash "$prefix/bin/wick" \
    "$prefix/share/bash-completion/completions/wick" || failures=$((failures + 1))
fi

# A moved tree still works, since wick.pc states its prefix relative to itself.
mv "$prefix" "$root/moved"
export PKG_CONFIG_PATH="$root/moved/lib/pkgconfig" LD_LIBRARY_PATH="$root/moved/lib"
build_and_run moved cc tests/install/version.c "$(pkg-config --cflags --libs wick)"

soname=$(readelf -d "$root/moved/lib/libwick.so" | sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p')
is soname "$soname" "libwick.so.${version%.*}"
is command "$("$root/moved/bin/wick" --version)" "wick $version"
finish

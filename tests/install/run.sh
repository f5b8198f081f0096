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
export PKG_CONFIG_PATH="$prefix/lib/pkgconfig" LD_LIBRARY_PATH="$prefix/lib"
strict="-std=c11 -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror"
shared="$(pkg-config --cflags --libs wick)"
# The archive by its name, since -lwick would prefer the shared library beside it.
static="$(pkg-config --cflags wick) $prefix/lib/libwick.a \
  $(pkg-config --static --libs wick | sed 's/-lwick//')"
version=$(pkg-config --modversion wick)

build() { # $1: what, $2: compiler and flags, $3: source, $4: libraries
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
  build_and_run "$compiler-shared" "$compiler $strict" tests/install/version.c "$shared"
  build_and_run "$compiler-static" "$compiler $strict" tests/install/version.c "$static"
  if [ -f examples/fashion.c ]; then
    build "$compiler-example-shared" "$compiler $strict" examples/fashion.c "$shared"
    build "$compiler-example-static" "$compiler $strict" examples/fashion.c "$static"
  fi
done
for compiler in g++ clang++; do
  command -v $compiler >/dev/null || continue
  build_and_run "$compiler-shared" "$compiler -x c++ -std=c++17 -Wall -Wextra -Wpedantic -Werror" \
    tests/install/version.c "$shared"
done

if cmake -S tests/install -B "$root/build" -DCMAKE_PREFIX_PATH="$prefix" >"$root/cmake.log" 2>&1 &&
  cmake --build "$root/build" >>"$root/cmake.log" 2>&1; then
  is find-package-shared "$("$root/build/with_shared")" "$version"
  is find-package-static "$("$root/build/with_static")" "$version"
else
  cat "$root/cmake.log"
  bad find-package "did not build"
fi

# A moved tree still works, since wick.pc states its prefix relative to itself.
mv "$prefix" "$root/moved"
export PKG_CONFIG_PATH="$root/moved/lib/pkgconfig" LD_LIBRARY_PATH="$root/moved/lib"
build_and_run moved cc tests/install/version.c "$(pkg-config --cflags --libs wick)"

soname=$(readelf -d "$root/moved/lib/libwick.so" | sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p')
is soname "$soname" "libwick.so.${version%.*}"
is command "$("$root/moved/bin/wick" --version)" "wick $version"
finish

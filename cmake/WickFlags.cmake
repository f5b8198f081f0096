# SPDX-License-Identifier: Apache-2.0
# Compiler and linker flags of everything that is built here.

include_guard()

set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

set(wick_warnings -Wall -Wextra -Wpedantic -Wshadow -Wconversion)
if(WICK_WERROR)
  list(APPEND wick_warnings -Werror)
endif()

# Every operation rounds once and in program order, so that results are equal however a kernel is
# compiled; nothing here may ever be fast-math.
set(wick_arithmetic -ffp-contract=off -fno-math-errno -fno-trapping-math)

# Nobody replaces the library's functions by their own of the same names, so that calls within it go
# straight there, and may be inlined. Clearing a large struct takes stores, not the string
# instructions, which begin slowly; only GCC has to be told.
include(CheckCCompilerFlag)
set(wick_calls -fno-semantic-interposition)
check_c_compiler_flag(-mmemset-strategy=vector_loop:512:noalign,libcall:-1:noalign
                      wick_clears_with_vectors)
if(wick_clears_with_vectors)
  list(APPEND wick_calls -mmemset-strategy=vector_loop:512:noalign,libcall:-1:noalign)
endif()

set(wick_sanitizers)
if(WICK_SANITIZE)
  set(wick_sanitizers -fsanitize=${WICK_SANITIZE} -fno-sanitize-recover=all)
  set(sanitizer_compile_flags -fno-omit-frame-pointer -g -O1)
endif()

# __FILE__ is the path within the tree: the same bits wherever it lies.
set(wick_paths -fmacro-prefix-map=${PROJECT_SOURCE_DIR}/=)

# What only the shared library's link wants. Sanitizers resolve their symbols at run time.
set(wick_shared_link_flags)
if(NOT WICK_SANITIZE)
  set(wick_shared_link_flags -Wl,-z,defs -Wl,-Bsymbolic-functions)
endif()

# The records are tables full of pointers. Packed, what the loader has to adjust takes a fiftieth of
# the room; the C library must know that form (glibc 2.36), so a program is run to see.
include(CheckCSourceRuns)
set(CMAKE_REQUIRED_LINK_OPTIONS -Wl,-z,pack-relative-relocs -pie)
set(CMAKE_REQUIRED_FLAGS -fPIE)
check_c_source_runs("static int x; int *volatile p = &x; int main(void) { return *p; }"
                    wick_packs_relocations)
unset(CMAKE_REQUIRED_LINK_OPTIONS)
unset(CMAKE_REQUIRED_FLAGS)
if(wick_packs_relocations)
  list(APPEND wick_shared_link_flags -Wl,-z,pack-relative-relocs)
endif()

add_link_options(-Wl,--as-needed -Wl,--gc-sections ${wick_sanitizers})

# Settings shared by the library, the command and the tests.
function(wick_target target)
  set_target_properties(${target} PROPERTIES C_STANDARD 17 C_STANDARD_REQUIRED ON C_EXTENSIONS ON
                        C_VISIBILITY_PRESET hidden POSITION_INDEPENDENT_CODE ON)
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/src
                             ${PROJECT_SOURCE_DIR}/include)
  target_compile_definitions(${target} PRIVATE _GNU_SOURCE)
  target_compile_options(${target} PRIVATE ${wick_warnings} ${wick_arithmetic} ${wick_calls} ${wick_paths}
                         -ffunction-sections -fdata-sections ${wick_sanitizers}
                         ${sanitizer_compile_flags})
endfunction()

# SPDX-License-Identifier: Apache-2.0
# The fuzz targets of tests/fuzz, by Clang's libFuzzer. scripts/fuzz configures a build for them:
# the whole library has to be compiled with WICK_SANITIZE=address,undefined,fuzzer-no-link.

option(WICK_FUZZ "Build the fuzz targets (needs clang)" OFF)
if(WICK_FUZZ)
  if(NOT CMAKE_C_COMPILER_ID MATCHES Clang OR NOT WICK_SANITIZE MATCHES fuzzer)
    message(FATAL_ERROR "WICK_FUZZ needs clang and WICK_SANITIZE=address,undefined,fuzzer-no-link")
  endif()
  add_subdirectory(tests/fuzz)
endif()

# SPDX-License-Identifier: Apache-2.0
# The files under src/backend/cpu/isa/ are compiled once per instruction set, with WICK_ISA as the
# suffix of their symbols. The dispatcher beside them learns from WICK_HAVE_<SET> what exists.

include_guard()
include(CheckCCompilerFlag)

set(wick_isa_list baseline)
# An x86 without AVX2 is rare by now: its kernels are there to be right, and are kept small.
set(wick_isa_flags_baseline)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64" AND CMAKE_BUILD_TYPE STREQUAL "Release")
  set(wick_isa_flags_baseline -Os)
endif()
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$" AND CMAKE_SIZEOF_VOID_P EQUAL 8)
  set(wick_isa_flags_avx2 -mavx2 -mfma -mf16c)
  set(wick_isa_flags_avx512 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma
      -mprefer-vector-width=512)
  foreach(isa avx2 avx512)
    list(JOIN wick_isa_flags_${isa} " " flags)
    check_c_compiler_flag("${flags}" wick_compiles_${isa})
    if(wick_compiles_${isa})
      list(APPEND wick_isa_list ${isa})
    endif()
  endforeach()
endif()

# Sets `result` to the objects of `sources` for every instruction set, and tells the files of
# `dispatcher` that live in src/backend/cpu/ which sets there are.
function(wick_isa_objects result dispatcher sources)
  set(objects)
  set(have)
  foreach(isa ${wick_isa_list})
    string(TOUPPER ${isa} upper)
    list(APPEND have WICK_HAVE_${upper}=1)
  endforeach()
  if(sources)
    foreach(isa ${wick_isa_list})
      add_library(wick_isa_${isa} OBJECT ${sources})
      wick_target(wick_isa_${isa})
      target_compile_definitions(wick_isa_${isa} PRIVATE WICK_ISA=${isa})
      # Vectors wider than a register are only ever inlined, so how they are passed is no concern.
      target_compile_options(wick_isa_${isa} PRIVATE ${wick_isa_flags_${isa}} -Wno-psabi
                             $<$<CONFIG:Release>:-fno-asynchronous-unwind-tables>)
      if(isa MATCHES "^avx")
        target_compile_definitions(wick_isa_${isa} PRIVATE WICK_ISA_F32_ONLY)
      endif()
      list(APPEND objects $<TARGET_OBJECTS:wick_isa_${isa}>)
    endforeach()
  endif()
  get_target_property(dispatcher_sources ${dispatcher} SOURCES)
  list(FILTER dispatcher_sources INCLUDE REGEX "/src/backend/cpu/[^/]*\\.c$")
  if(dispatcher_sources)
    set_property(SOURCE ${dispatcher_sources} APPEND PROPERTY COMPILE_DEFINITIONS ${have})
  endif()
  set(${result} ${objects} PARENT_SCOPE)
endfunction()

# SPDX-License-Identifier: Apache-2.0
# Toolchain file of the AArch64 cross build: Debian's gcc-aarch64-linux-gnu, the libraries that
# scripts/sysroot unpacked, and qemu to run the tests.

set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)

set(wick_sysroot ${CMAKE_CURRENT_LIST_DIR}/../build/sysroot/arm64 CACHE PATH "Where the libraries are")
get_filename_component(wick_sysroot ${wick_sysroot} ABSOLUTE)
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES wick_sysroot)
set(CMAKE_FIND_ROOT_PATH ${wick_sysroot} /usr/aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${wick_sysroot})
set(ENV{PKG_CONFIG_LIBDIR}
    ${wick_sysroot}/usr/lib/aarch64-linux-gnu/pkgconfig:${wick_sysroot}/usr/share/pkgconfig)

# The C library is the cross compiler's own; only what Debian keeps per architecture is added.
set(CMAKE_C_FLAGS_INIT
    "-isystem ${wick_sysroot}/usr/include -isystem ${wick_sysroot}/usr/include/aarch64-linux-gnu")
set(CMAKE_EXE_LINKER_FLAGS_INIT
    "-Wl,-rpath-link,${wick_sysroot}/usr/lib/aarch64-linux-gnu:${wick_sysroot}/lib/aarch64-linux-gnu")
set(CMAKE_SHARED_LINKER_FLAGS_INIT ${CMAKE_EXE_LINKER_FLAGS_INIT})

# The libraries' folders are not where a real system has them, hence the variable for the loader.
find_program(wick_qemu NAMES qemu-aarch64-static qemu-aarch64)
if(wick_qemu)
  set(CMAKE_CROSSCOMPILING_EMULATOR ${wick_qemu} -L /usr/aarch64-linux-gnu -E
      LD_LIBRARY_PATH=${wick_sysroot}/usr/lib/aarch64-linux-gnu:${wick_sysroot}/lib/aarch64-linux-gnu)
endif()

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_TESTS_FAILURE_SHIM_H
#define WICK_TESTS_FAILURE_SHIM_H

/* Functions of the C library that this program defines itself, so that they can be made to fail:
 * open, read, write, fsync, rename, close, and mmap of files. */

#include <stdbool.h>

typedef enum shim_call {
  SHIM_OPEN,
  SHIM_READ,
  SHIM_WRITE,
  SHIM_FSYNC,
  SHIM_RENAME,
  SHIM_CLOSE,
  SHIM_MMAP,
  SHIM_CALLS
} shim_call;

/* From now on the n-th call (from 0) of this kind fails with `error`. close closes all the same. */
void shim_fail(shim_call call, int n, int error);

/* From now on reads and writes move at most `most` bytes, and every second open, read, write and
 * fsync is interrupted. */
void shim_disturb(int most);

/* Ends both; whether the failure asked for has happened. */
bool shim_end(void);

#endif

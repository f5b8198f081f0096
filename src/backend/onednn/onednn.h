/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_BACKEND_ONEDNN_ONEDNN_H
#define WICK_BACKEND_ONEDNN_ONEDNN_H

/* Kernels of the cpu device that oneDNN computes; they stand before our own and decline what those
 * do as fast. None where the build had no headers. */

#include "ops/kernel.h"

extern const wk_kernel wk_onednn_kernels[];
extern const int wk_onednn_kernel_count;

/* Which library is used, or why none is; as snprintf. Opens it. [any thread] */
size_t wk_onednn_describe(char *buffer, size_t size);

#endif

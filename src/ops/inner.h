/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_OPS_INNER_H
#define WICK_OPS_INNER_H

/* Public functions that are made of ops: what they make on the way is freed at once, and errors and
 * records name the place of their own caller. */

#include "ops/dispatch.h"
#include "tensor/tensor.h"

typedef struct wk_inner {
  wk_place here;
  const wk_place *above;
  wk_scope scope;
  bool failed; /* before, so that the error is not of this call */
} wk_inner;

/* *inner must stay where it is until the end. */
void wk_inner_begin(wk_inner *inner, wk_place here);

/* Hands the results on to the enclosing scope; on failure all are NULL, and the error names `what`.
 */
wk_status wk_inner_end(wk_inner *inner, const char *what, wk_tensor **results, size_t count);

#endif

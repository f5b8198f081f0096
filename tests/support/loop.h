/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_TESTS_SUPPORT_LOOP_H
#define WICK_TESTS_SUPPORT_LOOP_H

/* A loop to compile: doubles its input while that is below 100. */

#include <wick/wick.h>

static wk_tensor *is_below(void *context, wk_tensors s) {
  (void)context;
  return wk_less(s.item[0], wk_scalar(100));
}

static wk_status double_it(void *context, wk_tensors s, wk_tensor **next) {
  (void)context;
  next[0] = wk_multiply(s.item[0], wk_scalar(2));
  return wk_error_status();
}

static wk_tensor *loop(void *context, wk_tensors in) {
  (void)context;
  wk_tensor *result;
  wk_while(&result, .condition = is_below, .body = double_it, .state = in);
  return result;
}

#endif

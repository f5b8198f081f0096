/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_TESTS_OPS_ERRORS_H
#define WICK_TESTS_OPS_ERRORS_H

/* Tables of wrong calls, one for each family of ops; errors.c goes through them all. */

#include <wick/device.h>
#include <wick/ops.h>
#include <wick/tensor.h>

typedef struct wrong_call {
  const char *name;
  wk_tensor *(*call)(void);
  wk_status status;
  const char *op;
  const char *says[3]; /* somewhere in its message, operands or hint */
} wrong_call;

typedef struct wrong_call_table {
  const wrong_call *calls;
  int count;
} wrong_call_table;

extern const wrong_call_table wrong_pointwise, wrong_reductions, wrong_indexing, wrong_windows,
    wrong_networks;

/* Which device the calls are tried on. */
extern wk_device *wrong_call_device;

#define F32(...) wk_full(WK_SHAPE(__VA_ARGS__), 1, .device = wrong_call_device)
#define F64(...) wk_full(WK_SHAPE(__VA_ARGS__), 1, .dtype = WK_F64, .device = wrong_call_device)
#define I64(value, ...)                                                                            \
  wk_full(WK_SHAPE(__VA_ARGS__), value, .dtype = WK_I64, .device = wrong_call_device)
#define NUMBER wk_full(WK_SCALAR, 1, .device = wrong_call_device)

#endif

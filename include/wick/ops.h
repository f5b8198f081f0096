/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_OPS_H
#define WICK_OPS_H

/* Operations on tensors. Each op `x` is a macro wk_x(...) over a function wk_x_at: first its
 * tensors, then its positional settings, then any of the others by name:
 *   wk_conv2d(images, weight, .bias = bias, .stride = {2, 2})
 * A setting left out, or zero, has its default. Results belong to the innermost scope. NULL is
 * returned on failure, with the error pending. */

#include <wick/ops.gen.h>

WK_BEGIN_C

/* Runs the op called `name`: `arguments` is its wk_<name>_arguments. Writes owned references to
 * outputs[0 .. count-1]; the caller releases them. For language bindings. [any thread] */
WK_API wk_status wk_call_op(wk_place here, const char *name, const void *arguments,
                            wk_tensor **outputs, size_t count);

/* The i-th op's name, or NULL past the end. [any thread] */
WK_API const char *wk_op_name_at(int index);

WK_END_C

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_OPS_H
#define WICK_OPS_H

/* Operations on tensors. Each op `x` is a macro wk_x(...) over a function wk_x_at: first its
 * tensors, then its positional settings, then any of the others by name:
 *   wk_conv2d(images, weight, .bias = bias, .stride = {2, 2})
 * A setting left out, or zero, has its default. Results belong to the innermost scope. NULL is
 * returned on failure, with the error pending. */

#include <wick/ops.gen.h>

/* Bounds of slices: as far as the axis goes, forwards or, with a negative step, backwards.
 * wk_slice(x, 0, WK_LAST, WK_FIRST, .step = -1) is all of x backwards. */
#define WK_FIRST INT64_MIN
#define WK_LAST INT64_MAX

WK_BEGIN_C

/* A number as an operand: wk_multiply(x, wk_scalar(0.5)). It takes the dtype of what it meets: an
 * f16 tensor stays f16. Only a fraction beside integers makes them f32. [any thread] */
WK_API wk_tensor *wk_scalar_at(wk_place here, double value, bool whole);
#define wk_scalar(x) wk_scalar_at(WK_HERE, (double)(x), WK_IS_WHOLE_(x))
#ifdef __cplusplus
#define WK_IS_WHOLE_(x) (decltype(x)(3) / decltype(x)(2) == decltype(x)(1))
#else
#define WK_IS_WHOLE_(x) _Generic((x), float : false, double : false, default : true)
#endif

/* The dtype in which pointwise ops on mixed operands work, and their result: PyTorch's rules.
 * wk_result_dtype looks at tensors: those without dimensions only decide whether it is a float. The
 * dtypes' order: bool, u8 or i8, i16, i32, i64, f16 or bf16, f32, f64; u8 with i8 is i16, f16 with
 * bf16 is f32. [any thread] */
WK_API wk_dtype wk_promote_dtypes(wk_dtype a, wk_dtype b);
WK_API wk_dtype wk_result_dtype(wk_tensors tensors);
/* Whether no category is lost: a float is not cast to an integer, an integer not to bool. [any
 * thread] */
WK_API bool wk_can_cast(wk_dtype from, wk_dtype to);

/* Runs the op called `name`: `arguments` is its wk_<name>_arguments. Writes owned references to
 * outputs[0 .. count-1]; the caller releases them. For language bindings. [any thread] */
WK_API wk_status wk_call_op(wk_place here, const char *name, const void *arguments,
                            wk_tensor **outputs, size_t count);

/* The i-th op's name, or NULL past the end. [any thread] */
WK_API const char *wk_op_name_at(int index);

WK_END_C

#endif

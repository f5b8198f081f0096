/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/recurrent.h"

#include "base/error.h"
#include "ops/records.gen.h"

wk_tensor *wk_part_of(wk_tensor *x, int part, int parts) {
  const int64_t size = wk_tensor_dim(x, -1) / parts;
  return x ? wk_slice(x, -1, part * size, (part + 1) * size) : NULL;
}

wk_tensor *wk_step_of(wk_tensor *x, int64_t step) {
  if (!x) return NULL;
  const wk_shape shape = WK_SHAPE(wk_tensor_dim(x, 0), wk_tensor_dim(x, 2));
  return wk_reshape(wk_slice(x, 1, step, step + 1), shape);
}

wk_tensor *wk_join_steps(wk_tensor **steps, int64_t count) {
  if (wk_failed()) return NULL;
  for (int64_t i = 0; i < count; i++)
    steps[i] =
        wk_reshape(steps[i], WK_SHAPE(wk_tensor_dim(steps[i], 0), 1, wk_tensor_dim(steps[i], 1)));
  return wk_concatenate((wk_tensors){(size_t)count, steps}, 1);
}

wk_tensor *wk_counts(wk_tensor *lengths, int64_t step) {
  if (!lengths) return NULL;
  wk_tensor *column = wk_reshape(lengths, WK_SHAPE(wk_tensor_count(lengths), 1));
  return wk_greater(column, wk_scalar(step));
}

wk_tensor *wk_choose(wk_tensor *condition, wk_tensor *x, wk_tensor *other) {
  return condition ? wk_where(condition, x, other ? other : wk_scalar(0)) : x;
}

wk_tensor *wk_states_before(wk_tensor *states, wk_tensor *first, wk_tensor *lengths, bool reverse) {
  const int64_t batch = wk_tensor_dim(states, 0), steps = wk_tensor_dim(states, 1);
  if (steps == 0) return states;
  wk_tensor *row = wk_reshape(first, WK_SHAPE(batch, 1, wk_tensor_dim(states, 2)));
  if (!reverse) return wk_concatenate(WK_TENSORS(row, wk_slice(states, 1, 0, steps - 1)), 1);
  wk_tensor *moved = wk_concatenate(WK_TENSORS(wk_slice(states, 1, 1, steps), row), 1);
  if (!lengths) return moved;
  wk_tensor *index =
      wk_arange(steps, .start = 1, .dtype = WK_I64, .device = wk_tensor_device(states));
  wk_tensor *is_last =
      wk_equal(wk_reshape(index, WK_SHAPE(steps, 1)), wk_reshape(lengths, WK_SHAPE(batch, 1, 1)));
  return wk_where(is_last, row, moved);
}

wk_tensor *wk_weight_gradient(wk_tensor *products, wk_tensor *states) {
  const int64_t rows = wk_tensor_dim(products, 0) * wk_tensor_dim(products, 1);
  wk_tensor *left = wk_reshape(products, WK_SHAPE(rows, wk_tensor_dim(products, 2)));
  wk_tensor *right = wk_reshape(states, WK_SHAPE(rows, wk_tensor_dim(states, 2)));
  return wk_matmul(wk_permute(left, WK_AXES(1, 0)), right);
}

wk_tensor *wk_add_maybe(wk_tensor *a, wk_tensor *b) { return b ? wk_add(a, b) : a; }

wk_status wk_check_layer(wk_tensor *const *in, int gates, const wk_tensor *lengths) {
  const wk_layout *x = &in[0]->layout, *weight = &in[1]->layout, *hidden = &in[2]->layout;
  if (x->rank != 3 || weight->rank != 2 || hidden->rank != 2 || weight->dims[0] != x->dims[2] ||
      weight->dims[1] * gates != x->dims[2] || hidden->dims[0] != x->dims[0] ||
      hidden->dims[1] != weight->dims[1])
    return wk_fail(WK_ERROR_SHAPE, "must be [N, L, %dH], [%dH, H] and [N, H]", gates, gates);
  if (lengths && (lengths->layout.rank != 1 || lengths->layout.dims[0] != x->dims[0]))
    return wk_fail(WK_ERROR_SHAPE, "lengths must be [%lld], one for each sequence",
                   (long long)x->dims[0]);
  return WK_OK;
}

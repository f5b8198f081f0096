/* SPDX-License-Identifier: Apache-2.0 */
/* Images looked up at any places. All in public ops but for the picking of pixels by their number,
 * so gradients of every order come for free. */
#include "base/error.h"
#include "ops/records.gen.h"

static wk_tensor *plus(wk_tensor *x, double y) { return wk_add(x, wk_scalar(y)); }
static wk_tensor *times(wk_tensor *x, double y) { return wk_multiply(x, wk_scalar(y)); }

/* ---- affine_grid ---- */

/* -1 .. 1 in `count` steps: centres of pixels, or with align_corners from the first to the last. */
static wk_tensor *ruler(const wk_tensor *like, int64_t count, bool align_corners) {
  const double step = align_corners ? (count > 1 ? 2 / (double)(count - 1) : 0) : 2 / (double)count;
  const double start = align_corners ? (count > 1 ? -1 : 0) : -1 + step / 2;
  return wk_arange(count, .start = start, .step = step == 0 ? 1 : step, .dtype = like->layout.dtype,
                   .device = wk_tensor_device_of(like));
}

wk_status wk_composite_affine_grid(wk_call *call) {
  const wk_affine_grid_arguments *a = call->arguments;
  wk_tensor *theta = call->inputs[0];
  const wk_layout *layout = &theta->layout;
  if (layout->rank != 3 || layout->dims[1] != 2 || layout->dims[2] != 3)
    return wk_fail(WK_ERROR_SHAPE, "theta must be [N, 2, 3]: two rows of an affine map each");
  const int64_t height = a->size[0], width = a->size[1];
  const wk_shape grid = WK_SHAPE(height, width, 1);
  wk_tensor *across = wk_reshape(ruler(theta, width, a->align_corners), WK_SHAPE(1, width, 1));
  wk_tensor *down = wk_reshape(ruler(theta, height, a->align_corners), WK_SHAPE(height, 1, 1));
  wk_tensor *one = wk_full(grid, 1, .dtype = layout->dtype, .device = wk_tensor_device_of(theta));
  wk_tensor *places =
      wk_concatenate(WK_TENSORS(wk_broadcast_to(across, grid), wk_broadcast_to(down, grid), one),
                     2);
  wk_tensor *rows = wk_reshape(places, WK_SHAPE(height * width, 3));
  wk_tensor *y = wk_matmul(rows, wk_permute(theta, WK_AXES(0, 2, 1)));
  call->outputs[0] = wk_reshape(y, WK_SHAPE(layout->dims[0], height, width, 2));
  return wk_error_status();
}

/* ---- grid_sample ---- */

/* The largest whole number that is not above x, where x is not below -2. */
static wk_tensor *whole_below(wk_tensor *x) {
  return plus(wk_cast(wk_cast(plus(x, 2), WK_I64), x->layout.dtype), -2);
}

static wk_tensor *clip(wk_tensor *x, double low, double high) {
  return wk_minimum(wk_maximum(x, wk_scalar(low)), wk_scalar(high));
}

/* x mirrored at low and high as often as it takes to lie between them. */
static wk_tensor *reflect(wk_tensor *x, double low, double high) {
  if (high <= low) return times(x, 0);
  wk_tensor *away = plus(x, -low);
  away = wk_maximum(away, wk_negative(away));
  wk_tensor *flips = whole_below(times(away, 1 / (high - low)));
  wk_tensor *rest = wk_subtract(away, times(flips, high - low));
  wk_tensor *is_odd = wk_subtract(flips, times(whole_below(times(flips, 0.5)), 2));
  wk_tensor *odd = wk_greater(is_odd, wk_scalar(0.5));
  return wk_where(odd, wk_subtract(wk_scalar(high), rest), plus(rest, low));
}

/* One coordinate of the grid, [N, OH, OW, 1], in pixels of an axis of this size. Places further out
 * than a pixel see what those at a pixel's distance see. */
static wk_tensor *place_of(wk_tensor *grid, int coordinate, int64_t size,
                           const wk_grid_sample_arguments *a) {
  const double n = (double)size;
  wk_tensor *g = plus(wk_slice(grid, 3, coordinate, coordinate + 1), 1);
  wk_tensor *x = a->align_corners ? times(g, (n - 1) / 2) : plus(times(g, n / 2), -0.5);
  if (a->outside == WK_OUTSIDE_REFLECTION)
    x = a->align_corners ? reflect(x, 0, n - 1) : reflect(x, -0.5, n - 0.5);
  return a->outside == WK_OUTSIDE_ZEROS ? clip(x, -1, n) : clip(x, 0, n - 1);
}

/* 1 where the place is inside, else 0; what is beyond the edge is never picked. */
static wk_tensor *is_inside(wk_tensor *place, int64_t size) {
  wk_tensor *low = wk_greater_equal(place, wk_scalar(0));
  wk_tensor *high = wk_less(place, wk_scalar((double)size));
  return wk_multiply(wk_cast(low, place->layout.dtype), wk_cast(high, place->layout.dtype));
}

/* The pixels of x at whole rows and columns, each times its weight; NULL: 1. */
static wk_tensor *pick(wk_tensor *x, wk_tensor *row, wk_tensor *column, wk_tensor *weight) {
  if (wk_failed()) return NULL;
  const int64_t *dims = x->layout.dims, *out = row->layout.dims;
  wk_tensor *inside = wk_multiply(is_inside(row, dims[1]), is_inside(column, dims[2]));
  wk_tensor *down = wk_cast(clip(row, 0, (double)(dims[1] - 1)), WK_I64);
  wk_tensor *across = wk_cast(clip(column, 0, (double)(dims[2] - 1)), WK_I64);
  wk_tensor *pixel = wk_add(wk_multiply(down, wk_scalar(dims[2])), across);
  wk_tensor *indices = wk_broadcast_to(pixel, WK_SHAPE(out[0], out[1], out[2], dims[3]));
  wk_tensor *values = wk_max_unpool2d_gradient(x, indices);
  return wk_multiply(values, weight ? wk_multiply(weight, inside) : inside);
}

static wk_status check_grid(const wk_layout *x, const wk_layout *grid) {
  if (x->rank != 4 || x->dims[1] < 1 || x->dims[2] < 1)
    return wk_fail(WK_ERROR_SHAPE, "x must be images [N, H, W, C] of at least one pixel");
  if (grid->rank == 4 && grid->dims[3] == 2 && grid->dims[0] == x->dims[0]) return WK_OK;
  wk_fail(WK_ERROR_SHAPE, "grid must be [%lld, OH, OW, 2]: a place across and down for each pixel",
          (long long)x->dims[0]);
  wk_error_add_hint("wk_affine_grid makes one");
  return WK_ERROR_SHAPE;
}

wk_status wk_composite_grid_sample(wk_call *call) {
  const wk_grid_sample_arguments *a = call->arguments;
  wk_tensor *x = call->inputs[0], *grid = call->inputs[1];
  if (check_grid(&x->layout, &grid->layout) != WK_OK) return wk_error_status();
  wk_tensor *down = place_of(grid, 1, x->layout.dims[1], a);
  wk_tensor *across = place_of(grid, 0, x->layout.dims[2], a);
  if (a->mode == WK_SAMPLING_NEAREST) {
    call->outputs[0] = pick(x, whole_below(plus(down, 0.5)), whole_below(plus(across, 0.5)), NULL);
    return wk_error_status();
  }
  wk_tensor *top = whole_below(down), *left = whole_below(across);
  wk_tensor *bottom = plus(top, 1), *right = plus(left, 1);
  wk_tensor *low = wk_subtract(down, top), *far = wk_subtract(across, left);
  wk_tensor *high = wk_subtract(wk_scalar(1), low), *near = wk_subtract(wk_scalar(1), far);
  wk_tensor *first = wk_add(pick(x, top, left, wk_multiply(high, near)),
                            pick(x, top, right, wk_multiply(high, far)));
  wk_tensor *second = wk_add(pick(x, bottom, left, wk_multiply(low, near)),
                             pick(x, bottom, right, wk_multiply(low, far)));
  call->outputs[0] = wk_add(first, second);
  return wk_error_status();
}

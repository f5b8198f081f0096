/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "backend/reference/element.h"
#include "backend/reference/kernels.h"
#include "base/error.h"
#include "ops/records.gen.h"
#include "ops/resample.h"
#include "ops/window.h"

/* Pooling of images x [N, H, W, C] to y [N, OH, OW, C]. */
typedef struct pooling {
  const int64_t *x, *y;
  wk_pool2d_settings settings;
  int64_t padding[2]; /* above and to the left */
  int64_t end[2];     /* of the image with its padding */
} pooling;

static pooling make_pooling(const wk_kernel_call *call, const wk_operand *x, const wk_operand *y) {
  pooling p = {
      x->layout.dims, y->layout.dims, wk_pool2d_settings_of(call->op, call->arguments), {0}, {0}};
  wk_pool2d_settings *s = &p.settings;
  if (!s->stride[1]) s->stride[1] = s->stride[0] ? s->stride[0] : s->window[1];
  if (!s->stride[0]) s->stride[0] = s->window[0];
  for (int i = 0; i < 2; i++) {
    const int64_t last = (p.y[1 + i] - 1) * s->stride[i] + s->dilation[i] * (s->window[i] - 1) + 1;
    const int64_t missing = last > p.x[1 + i] ? last - p.x[1 + i] : 0;
    p.padding[i] = s->same ? missing / 2 : s->padding[i];
    p.end[i] = p.x[1 + i] + (s->same ? missing - missing / 2 : s->padding[i]);
  }
  return p;
}

/* The part of an output element's window that lies inside the image. */
typedef struct inside {
  int64_t image, channel;
  int64_t begin[2], end[2]; /* rows, columns */
  int64_t size;             /* what a mean divides by */
} inside;

static inside find_window(const pooling *p, int64_t y) {
  const wk_pool2d_settings *s = &p->settings;
  const int64_t at[2] = {y / p->y[3] / p->y[2] % p->y[1], y / p->y[3] % p->y[2]};
  inside part = {.image = y / p->y[3] / p->y[2] / p->y[1], .channel = y % p->y[3], .size = 1};
  for (int i = 0; i < 2; i++) {
    int64_t begin = at[i] * s->stride[i] - p->padding[i];
    const int64_t end = begin + s->dilation[i] * (s->window[i] - 1) + 1;
    const int64_t padded = (end > p->end[i] ? p->end[i] : end) - begin;
    while (begin < 0) begin += s->dilation[i];
    part.begin[i] = begin;
    part.end[i] = end > p->x[1 + i] ? p->x[1 + i] : end;
    const int64_t inside_image = part.end[i] > begin ? part.end[i] - begin : 0;
    part.size *= s->count_padding ? padded : inside_image;
  }
  return part;
}

#define EACH_PIXEL(p, part, row, column)                                                           \
  for (int64_t row = (part).begin[0]; row < (part).end[0]; row += (p).settings.dilation[0])        \
    for (int64_t column = (part).begin[1]; column < (part).end[1];                                 \
         column += (p).settings.dilation[1])

static int64_t x_index(const pooling *p, const inside *part, int64_t row, int64_t column) {
  return ((part->image * p->x[1] + row) * p->x[2] + column) * p->x[3] + part->channel;
}

/* Index in x of the window's first NaN, else its first largest; -1 if nothing is inside. */
static int64_t find_largest(const pooling *p, const double *x, int64_t y) {
  const inside part = find_window(p, y);
  int64_t best = -1;
  EACH_PIXEL(*p, part, row, column) {
    const int64_t i = x_index(p, &part, row, column);
    if (best < 0 || x[i] > x[best] || (isnan(x[i]) && !isnan(x[best]))) best = i;
  }
  return best;
}

/* The largest elements, and where they are if a second output wants to know. */
wk_status wk_reference_run_max_pool2d(const wk_kernel_call *call) {
  const wk_operand *y = &call->outputs[0];
  const pooling p = make_pooling(call, &call->inputs[0], y);
  WK_REALS x = wk_reals_load(&call->inputs[0]);
  if (!x) return wk_error_status();
  const int64_t count = wk_layout_count(&y->layout);
  for (int64_t i = 0; i < count; i++) {
    const int64_t best = find_largest(&p, x, i);
    wk_element_set_real(y, i, best < 0 ? -INFINITY : x[best]);
    if (call->output_count < 2) continue;
    const int64_t pixel = best < 0 ? 0 : best / p.x[3] % (p.x[1] * p.x[2]);
    wk_element_set_integer(&call->outputs[1], i, pixel);
  }
  return WK_OK;
}

wk_status wk_reference_run_max_pool2d_with_indices(const wk_kernel_call *call) {
  return wk_reference_run_max_pool2d(call);
}

wk_status wk_reference_run_max_pool2d_pick(const wk_kernel_call *call) {
  const wk_operand *y = &call->outputs[0];
  const pooling p = make_pooling(call, &call->inputs[1], y);
  WK_REALS values = wk_reals_load(&call->inputs[0]);
  WK_REALS x = wk_reals_load(&call->inputs[1]);
  if (!values || !x) return wk_error_status();
  const int64_t count = wk_layout_count(&y->layout);
  for (int64_t i = 0; i < count; i++) {
    const int64_t best = find_largest(&p, x, i);
    wk_element_set_real(y, i, best < 0 ? 0 : values[best]);
  }
  return WK_OK;
}

wk_status wk_reference_run_max_pool2d_gradient(const wk_kernel_call *call) {
  const wk_operand *g_operand = &call->inputs[0], *x_operand = &call->inputs[1];
  const pooling p = make_pooling(call, x_operand, g_operand);
  WK_REALS g = wk_reals_load(g_operand);
  WK_REALS x = wk_reals_load(x_operand);
  WK_REALS x_gradient = wk_reals_zeroed(wk_layout_count(&x_operand->layout));
  if (!g || !x || !x_gradient) return wk_error_status();
  const int64_t count = wk_layout_count(&g_operand->layout);
  for (int64_t i = 0; i < count; i++) {
    const int64_t best = find_largest(&p, x, i);
    if (best >= 0) x_gradient[best] += g[i];
  }
  wk_reals_store(x_gradient, &call->outputs[0]);
  return WK_OK;
}

wk_status wk_reference_run_average_pool2d(const wk_kernel_call *call) {
  const wk_operand *y = &call->outputs[0];
  const pooling p = make_pooling(call, &call->inputs[0], y);
  WK_REALS x = wk_reals_load(&call->inputs[0]);
  if (!x) return wk_error_status();
  const int64_t count = wk_layout_count(&y->layout);
  for (int64_t i = 0; i < count; i++) {
    const inside part = find_window(&p, i);
    double sum = 0;
    EACH_PIXEL(p, part, row, column) sum += x[x_index(&p, &part, row, column)];
    wk_element_set_real(y, i, part.size ? sum / (double)part.size : 0);
  }
  return WK_OK;
}

wk_status wk_reference_run_average_pool2d_gradient(const wk_kernel_call *call) {
  const wk_operand *g_operand = &call->inputs[0], *x_operand = &call->outputs[0];
  const pooling p = make_pooling(call, x_operand, g_operand);
  WK_REALS g = wk_reals_load(g_operand);
  WK_REALS x_gradient = wk_reals_zeroed(wk_layout_count(&x_operand->layout));
  if (!g || !x_gradient) return wk_error_status();
  const int64_t count = wk_layout_count(&g_operand->layout);
  for (int64_t i = 0; i < count; i++) {
    const inside part = find_window(&p, i);
    EACH_PIXEL(p, part, row, column)
    x_gradient[x_index(&p, &part, row, column)] += g[i] / (double)part.size;
  }
  wk_reals_store(x_gradient, x_operand);
  return WK_OK;
}

/* ---- max_unpool2d ---- */

static wk_status unpool_place(const wk_operand *indices, int64_t i, int64_t area, int64_t *place) {
  *place = wk_element_integer(indices, wk_layout_position(&indices->layout, i));
  if (*place >= 0 && *place < area) return WK_OK;
  return wk_fail(WK_ERROR_INDEX, "index %lld at position %lld is outside the image of %lld pixels",
                 (long long)*place, (long long)i, (long long)area);
}

/* Element i of `indices` [N, h, w, C] as an index in images [N, H, W, C]; -1 with an error. */
static int64_t unpool_index(const wk_operand *indices, const int64_t *images, int64_t i) {
  const int64_t *dims = indices->layout.dims;
  int64_t pixel;
  if (unpool_place(indices, i, images[1] * images[2], &pixel) != WK_OK) return -1;
  const int64_t channel = i % dims[3], image = i / (dims[1] * dims[2] * dims[3]);
  return (image * images[1] * images[2] + pixel) * images[3] + channel;
}

wk_status wk_reference_run_max_unpool2d(const wk_kernel_call *call) {
  const wk_operand *indices = &call->inputs[1], *y_operand = &call->outputs[0];
  WK_REALS x = wk_reals_load(&call->inputs[0]);
  WK_REALS y = wk_reals_zeroed(wk_layout_count(&y_operand->layout));
  if (!x || !y) return wk_error_status();
  const int64_t count = wk_layout_count(&indices->layout);
  for (int64_t i = 0; i < count; i++) {
    const int64_t at = unpool_index(indices, y_operand->layout.dims, i);
    if (at < 0) return wk_error_status();
    y[at] += x[i];
  }
  wk_reals_store(y, y_operand);
  return WK_OK;
}

wk_status wk_reference_run_max_unpool2d_gradient(const wk_kernel_call *call) {
  const wk_operand *g = &call->inputs[0], *indices = &call->inputs[1];
  const int64_t count = wk_layout_count(&indices->layout);
  for (int64_t i = 0; i < count; i++) {
    const int64_t at = unpool_index(indices, g->layout.dims, i);
    if (at < 0) return wk_error_status();
    wk_element_copy(&call->outputs[0], i, g, wk_layout_position(&g->layout, at));
  }
  return WK_OK;
}

/* ---- unfold2d and fold2d ---- */

/* Where element i of the rows [N, OH * OW, KH * KW * C] lies in the images; -1 in the padding. */
static int64_t unfolded_index(const wk_window *w, const int64_t *images, int64_t i) {
  const wk_window_axis *down = &w->height, *across = &w->width;
  const int64_t channel = i % images[3], tap = i / images[3] % (down->kernel * across->kernel);
  const int64_t row = i / images[3] / (down->kernel * across->kernel);
  const int64_t y = row / across->out % down->out * down->stride - down->padding_before +
                    tap / across->kernel * down->dilation;
  const int64_t x = row % across->out * across->stride - across->padding_before +
                    tap % across->kernel * across->dilation;
  if (y < 0 || y >= images[1] || x < 0 || x >= images[2]) return -1;
  return ((row / across->out / down->out * images[1] + y) * images[2] + x) * images[3] + channel;
}

wk_status wk_reference_run_unfold2d(const wk_kernel_call *call) {
  const wk_operand *x = &call->inputs[0], *y = &call->outputs[0];
  wk_window w;
  const wk_status status = wk_unfold2d_window_of(call->op, call->arguments, x->layout.dims, &w);
  if (status != WK_OK) return status;
  const int64_t count = wk_layout_count(&y->layout);
  for (int64_t i = 0; i < count; i++) {
    const int64_t at = unfolded_index(&w, x->layout.dims, i);
    if (at < 0)
      wk_element_set_real(y, i, 0);
    else
      wk_element_copy(y, i, x, wk_layout_position(&x->layout, at));
  }
  return WK_OK;
}

wk_status wk_reference_run_fold2d(const wk_kernel_call *call) {
  const wk_operand *y_operand = &call->outputs[0];
  wk_window w;
  const wk_status status =
      wk_unfold2d_window_of(call->op, call->arguments, y_operand->layout.dims, &w);
  if (status != WK_OK) return status;
  WK_REALS x = wk_reals_load(&call->inputs[0]);
  WK_REALS y = wk_reals_zeroed(wk_layout_count(&y_operand->layout));
  if (!x || !y) return wk_error_status();
  const int64_t count = wk_layout_count(&call->inputs[0].layout);
  for (int64_t i = 0; i < count; i++) {
    const int64_t at = unfolded_index(&w, y_operand->layout.dims, i);
    if (at >= 0) y[at] += x[i];
  }
  wk_reals_store(y, y_operand);
  return WK_OK;
}

/* ---- resample ---- */

/* `values`, of dimensions `dims`, with one axis in size `to`; NULL on failure. */
static double *resample_axis(const wk_resample_settings *s, int axis, bool forward, int rank,
                             const int64_t *dims, int64_t to, const double *x) {
  const int64_t in = dims[axis];
  int64_t outer = 1, inner = 1;
  for (int i = 0; i < axis; i++) outer *= dims[i];
  for (int i = axis + 1; i < rank; i++) inner *= dims[i];
  wk_taps taps;
  if (!x || wk_taps_make(s, forward ? in : to, forward ? to : in, &taps) != WK_OK) return NULL;
  double *y = wk_reals_zeroed(outer * to * inner);
  for (int64_t row = 0; y && row < outer * taps.count; row++)
    for (int64_t k = taps.start[row % taps.count]; k < taps.start[row % taps.count + 1]; k++)
      for (int64_t j = 0; j < inner; j++) {
        const int64_t block = row / taps.count, place = row % taps.count, index = taps.index[k];
        if (forward)
          y[(block * to + place) * inner + j] +=
              taps.weight[k] * x[(block * in + index) * inner + j];
        else
          y[(block * to + index) * inner + j] +=
              taps.weight[k] * x[(block * in + place) * inner + j];
      }
  wk_taps_free(&taps);
  return y;
}

wk_status wk_reference_run_resample(const wk_kernel_call *call) {
  const wk_resample_settings s = wk_resample_settings_of(call->op, call->arguments);
  const wk_operand *y = &call->outputs[0];
  const bool forward = call->op->id == WK_OP_RESAMPLE;
  wk_layout x = call->inputs[0].layout;
  const int64_t *to = y->layout.dims;
  WK_REALS values = wk_reals_load(&call->inputs[0]);
  WK_REALS first = resample_axis(&s, s.axis, forward, x.rank, x.dims, to[s.axis], values);
  x.dims[s.axis] = to[s.axis];
  WK_REALS second =
      s.across ? resample_axis(&s, s.axis + 1, forward, x.rank, x.dims, to[s.axis + 1], first)
               : NULL;
  const double *result = s.across ? second : first;
  if (result) wk_reals_store(result, y);
  return wk_error_status();
}

wk_status wk_reference_run_resample_gradient(const wk_kernel_call *call) {
  return wk_reference_run_resample(call);
}

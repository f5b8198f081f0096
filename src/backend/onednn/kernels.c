/* SPDX-License-Identifier: Apache-2.0 */

/* Which calls go to oneDNN. The limits are measured: docs/decisions/onednn.md. */

#include "backend/onednn/onednn.h"

#ifdef WICK_HAVE_ONEDNN
#include <stdbool.h>

#include "backend/onednn/primitive.h"
#include "ops/matmul.h"
#include "ops/records.gen.h"
#include "ops/window.h"

/* Multiply-adds of an image, and images, from which on it is faster than our own kernels. */
#define LEAST_CONV2D_WORK 4e6
#define LEAST_IMAGES 4
/* Pixels of y under which packing the weights of a 1x1 convolution costs more than it brings. */
#define LEAST_PIXELS 256
/* The same of a product, whose sizes are to reach the least side each. */
#define LEAST_SIDE 384
#define ROW_BLOCKS 4 /* pieces of a product */
#define MOST_ROWS 512

/* ---- convolution ---- */

/* Fills in the key of a convolution from `x` with `filters`; or says why it is none for oneDNN.
 * What a whole batch was chosen for may run with fewer images, so the key is whole by then. */
static const char *conv2d_key(const wk_kernel_call *call, wk_dnnl_kind kind, const wk_layout *x,
                              const wk_layout *filters, wk_dnnl_key *key) {
  if (x->dtype != WK_F32) return "only f32";
  const wk_conv2d_settings s = wk_conv2d_settings_of(call->op, call->arguments);
  wk_conv2d_geometry g;
  if (wk_conv2d_geometry_of(&s, x->dims, filters->dims, &g) != WK_OK) return "its shapes are wrong";
  if (g.groups != 1) return "only one group";
  const wk_window_axis *axes[] = {&g.window.height, &g.window.width};
  *key = (wk_dnnl_key){.kind = kind};
  key->conv2d.channels = g.channels, key->conv2d.out_channels = g.out_channels;
  double work = (double)g.channels * (double)g.out_channels;
  for (int i = 0; i < 2; i++) {
    key->conv2d.x[i] = axes[i]->size, key->conv2d.y[i] = axes[i]->out;
    key->conv2d.kernel[i] = axes[i]->kernel, key->conv2d.stride[i] = axes[i]->stride;
    key->conv2d.padding[i] = axes[i]->padding_before;
    key->conv2d.dilation[i] = axes[i]->dilation;
    work *= (double)(axes[i]->out * axes[i]->kernel);
  }
  if (g.batch < LEAST_IMAGES) return "fewer than 4 images: too few pieces";
  if (work < LEAST_CONV2D_WORK) return "too little work for an image";
  const int64_t *k = key->conv2d.kernel, *y = key->conv2d.y;
  return k[0] * k[1] == 1 && y[0] * y[1] < LEAST_PIXELS ? "few pixels under a 1x1 filter" : NULL;
}

static const char *forward_key(const wk_kernel_call *call, wk_dnnl_key *key) {
  const char *why =
      conv2d_key(call, WK_DNNL_CONV2D, &call->inputs[0].layout, &call->inputs[1].layout, key);
  key->has_bias = call->inputs[2].data != NULL;
  const bool skips = key->conv2d.kernel[0] == 1 && key->conv2d.stride[0] > 1;
  return why || !skips ? why : "a 1x1 filter with strides";
}

static const char *data_key(const wk_kernel_call *call, wk_dnnl_key *key) {
  return conv2d_key(call, WK_DNNL_CONV2D_DATA, &call->outputs[0].layout, &call->inputs[1].layout,
                    key);
}

/* ---- products ---- */

static bool is_matrix(const wk_layout *layout) {
  return layout->strides[0] == 1 || layout->strides[1] == 1;
}

static int64_t rows_of_block(int64_t rows) {
  const int64_t wanted = rows / ROW_BLOCKS;
  return wanted < MOST_ROWS ? wanted : MOST_ROWS;
}

static const char *matmul_key(const wk_kernel_call *call, wk_dnnl_key *key) {
  const wk_layout *a = &call->inputs[0].layout, *b = &call->inputs[1].layout;
  if (a->dtype != WK_F32) return "only f32";
  if (a->rank != 2 || b->rank != 2) return "only two matrices";
  const int64_t m = a->dims[0], k = a->dims[1], n = b->dims[1];
  if (m < LEAST_SIDE || n < LEAST_SIDE || k < LEAST_SIDE) return "a side below 384";
  if (!is_matrix(a) || !is_matrix(b)) return "strides along both sides";
  const int64_t rows = rows_of_block(m);
  *key = (wk_dnnl_key){.kind = WK_DNNL_MATMUL};
  key->matmul.rows = rows, key->matmul.n = n, key->matmul.k = k, key->matmul.c_stride = n;
  for (int i = 0; i < 2; i++)
    key->matmul.a_strides[i] = a->strides[i], key->matmul.b_strides[i] = b->strides[i];
  return NULL;
}

/* ---- the entries ---- */

/* Why oneDNN has no primitive of this key, or NULL. */
static const char *check(const wk_dnnl_key *key) {
  const char *why;
  wk_dnnl_primitive *primitive = wk_dnnl_primitive_take(key, &why);
  if (primitive) wk_dnnl_primitive_give_back(primitive);
  return primitive ? NULL : why;
}

static const char *refuse_forward(const wk_kernel_call *call) {
  wk_dnnl_key key;
  const char *why = forward_key(call, &key);
  return why ? why : check(&key);
}

static const char *refuse_data(const wk_kernel_call *call) {
  wk_dnnl_key key;
  const char *why = data_key(call, &key);
  return why ? why : check(&key);
}

/* Rows left over by blocks of equal size are a piece of their own. */
static const char *refuse_matmul(const wk_kernel_call *call) {
  wk_dnnl_key key = {0};
  const char *why = matmul_key(call, &key);
  if (!why) why = check(&key);
  const int64_t rest = why ? 0 : call->inputs[0].layout.dims[0] % key.matmul.rows;
  key.matmul.rows = rest;
  return rest ? check(&key) : why;
}

/* Runs pieces of a call that was not refused, or says what memory they take. */
static wk_status run(const wk_kernel_call *call, const wk_dnnl_key *key, wk_dnnl_call *pieces) {
  const char *why;
  wk_dnnl_primitive *primitive = wk_dnnl_primitive_take(key, &why);
  if (!primitive) return wk_fail(WK_ERROR_DEVICE, "oneDNN: %s", why);
  wk_status status = WK_OK;
  pieces->primitive = primitive;
  if (!call->memory) {
    status = wk_dnnl_run(pieces);
  } else {
    const size_t bytes = wk_dnnl_call_bytes(primitive);
    if (bytes > *call->memory) *call->memory = bytes;
  }
  wk_dnnl_primitive_give_back(primitive);
  return status;
}

static int64_t image_bytes(const wk_layout *images) { return images->strides[0] * 4; }

static wk_status run_conv2d(const wk_kernel_call *call, const wk_dnnl_key *key, const void *bias) {
  const wk_operand *from = &call->inputs[0], *to = &call->outputs[0];
  wk_dnnl_call pieces = {.stream = call->stream,
                         .count = from->layout.dims[0],
                         .from = from->data,
                         .weights = call->inputs[1].data,
                         .bias = bias,
                         .to = to->data,
                         .from_step = image_bytes(&from->layout),
                         .to_step = image_bytes(&to->layout)};
  return run(call, key, &pieces);
}

static wk_status run_forward(const wk_kernel_call *call) {
  wk_dnnl_key key;
  forward_key(call, &key);
  return run_conv2d(call, &key, call->inputs[2].data);
}

static wk_status run_data(const wk_kernel_call *call) {
  wk_dnnl_key key;
  data_key(call, &key);
  return run_conv2d(call, &key, NULL);
}

static wk_status run_matmul(const wk_kernel_call *call) {
  wk_dnnl_key key = {0};
  matmul_key(call, &key);
  const wk_operand *a = &call->inputs[0], *c = &call->outputs[0];
  const int64_t m = a->layout.dims[0], rows = key.matmul.rows;
  wk_dnnl_call pieces = {.stream = call->stream,
                         .count = m / rows,
                         .from = a->data,
                         .weights = call->inputs[1].data,
                         .to = c->data,
                         .from_step = rows * a->layout.strides[0] * 4,
                         .to_step = rows * key.matmul.n * 4};
  const wk_status status = run(call, &key, &pieces);
  if (status != WK_OK || m % rows == 0) return status;
  pieces.from += pieces.count * pieces.from_step, pieces.to += pieces.count * pieces.to_step;
  pieces.count = 1, key.matmul.rows = m % rows;
  return run(call, &key, &pieces);
}

/* A convolution's primitive knows of one image; blocks of a product's rows follow from their
 * number. */
const wk_kernel wk_onednn_kernels[] = {
    {WK_OP_MATMUL, "onednn:matmul", WK_TAKES_STRIDES | WK_TAKES_MEMORY, refuse_matmul, run_matmul},
    {WK_OP_CONV2D, "onednn:conv2d", WK_KEEPS_ROWS | WK_TAKES_MEMORY, refuse_forward, run_forward},
    {WK_OP_CONV2D_DATA_GRADIENT, "onednn:conv2d_data_gradient", WK_KEEPS_ROWS | WK_TAKES_MEMORY,
     refuse_data, run_data},
};
const int wk_onednn_kernel_count = sizeof wk_onednn_kernels / sizeof *wk_onednn_kernels;

#endif

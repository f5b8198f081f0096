/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_BACKEND_ONEDNN_PRIMITIVE_H
#define WICK_BACKEND_ONEDNN_PRIMITIVE_H

/* oneDNN's primitives, each made for one thread and one piece of a call: an image, a block of rows.
 * They are kept for calls of the same key, the least recently used ones given up first. Pieces are
 * as large whatever the number of threads, so that does not change a bit. */

#include <stdint.h>

#include <wick/base.h>

#include "device/device.h"

typedef enum wk_dnnl_kind {
  WK_DNNL_CONV2D,      /* from x to y */
  WK_DNNL_CONV2D_DATA, /* from y's gradient to x's */
  WK_DNNL_MATMUL       /* from rows of a to rows of c, weights are b */
} wk_dnnl_kind;

/* All that tells one primitive from another; no padding, so that keys compare as bytes. */
typedef struct wk_dnnl_key {
  int64_t kind;
  int64_t has_bias;
  union {
    struct {
      int64_t x[2], y[2], channels, out_channels, kernel[2], stride[2], padding[2], dilation[2];
    } conv2d;
    struct {
      int64_t rows, n, k, a_strides[2], b_strides[2], c_stride;
    } matmul;
  };
} wk_dnnl_key;

typedef struct wk_dnnl_primitive wk_dnnl_primitive;

/* The primitive of this key, to be given back, or NULL with *why. What oneDNN would do with its
 * reference kernel is refused. [any thread] */
wk_dnnl_primitive *wk_dnnl_primitive_take(const wk_dnnl_key *key, const char **why);
void wk_dnnl_primitive_give_back(wk_dnnl_primitive *primitive);

/* The name of oneDNN's implementation, such as "brgconv:avx512_core". */
const char *wk_dnnl_primitive_name(const wk_dnnl_primitive *primitive);

/* Bytes of the device's memory that a call takes, for packed weights and scratch. */
size_t wk_dnnl_call_bytes(const wk_dnnl_primitive *primitive);

/* A call of `count` pieces; steps are bytes from piece to piece. Weights lie as Wick has them and
 * are packed on the way. Fails with WK_ERROR_MEMORY or WK_ERROR_DEVICE. */
typedef struct wk_dnnl_call {
  const wk_dnnl_primitive *primitive;
  wk_stream *stream; /* of the device whose memory packed weights and scratch take */
  int64_t count;
  const char *from;
  const void *weights, *bias;
  char *to;
  int64_t from_step, to_step;
} wk_dnnl_call;
wk_status wk_dnnl_run(const wk_dnnl_call *call);

#endif

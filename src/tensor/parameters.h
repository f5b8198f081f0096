/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_TENSOR_PARAMETERS_H
#define WICK_TENSOR_PARAMETERS_H

/* Parameter sets: the segment table over 64-byte-aligned chunks of design.md section 3. There is a
 * chunk per (device, dtype), and another for tables with row-sparse gradients; each parameter is
 * one segment of one chunk; gradients live in a second chunk of the same shape, made at first need.
 * An optimizer makes further chunks like it for its slots and passes over runs of segments. */

#include "tensor/tensor.h"

typedef struct wk_segment {
  wk_tensor *tensor; /* owned by the set; its name is the parameter's path */
  size_t chunk;      /* which chunk, */
  int64_t start;     /* from which element, */
  int64_t count;     /* how many */
  int64_t padded;    /* with the gap up to the next segment, which holds zeros */
} wk_segment;

typedef struct wk_chunk {
  wk_device *device;
  wk_dtype dtype;
  bool row_sparse; /* holds tables whose gradients are of few rows */
  int64_t count;   /* elements */
  wk_storage *values;
  wk_storage *gradients; /* NULL until some backward needs them */
} wk_chunk;

struct wk_parameters {
  wk_segment *segments;
  size_t segment_count, segment_capacity;
  wk_chunk *chunks;
  size_t chunk_count, chunk_capacity;
  double norm; /* of the gradients, when they were clipped last */
};

/* An empty set; freed with wk_parameters_free. */
wk_parameters *wk_parameters_create(void);
void wk_parameters_free(wk_parameters *set);

/* Appends a parameter. Takes `tensor`, a contiguous tensor of its own, whose name is set; its
 * values are copied when the set is laid out. */
wk_status wk_parameters_add(wk_parameters *set, wk_tensor *tensor);

/* Lays all parameters out in chunks: every tensor's handle stays, its memory moves. Once only. */
wk_status wk_parameters_lay_out(wk_parameters *set);

/* Makes the leaf's gradient tensor, inside the chunk's gradients if `tensor` belongs to a set that
 * was laid out. Called by autograd through wk_leaf_gradient. */
wk_tensor *wk_leaf_gradient(wk_tensor *leaf);

/* What the tensor knows of its gradient, made at first need; NULL without memory. */
wk_leaf *wk_leaf_ensure(wk_tensor *tensor);

/* Whether a run uses the segment: it is not frozen and has a valid gradient, which is not one of
 * some rows alone. */
bool wk_segment_takes_part(const wk_segment *segment);

/* A run of neighbouring segments that an optimizer treats alike: [start, start + count) of a chunk.
 * Calls `run` for each maximal run of segments that take part and have the same number in `groups`
 * (NULL: 0), which has one for each segment. */
typedef wk_status (*wk_segment_run)(void *context, uint32_t group, size_t chunk, int64_t start,
                                    int64_t count);
wk_status wk_parameters_each_run(wk_parameters *set, const uint32_t *groups, wk_segment_run run,
                                 void *context);

/* Calls `visit` for each segment that is not frozen and whose valid gradient is of some rows alone
 * (tensor->leaf->rows, row_values); the runs above leave these out. */
typedef wk_status (*wk_row_visit)(void *context, size_t segment);
wk_status wk_parameters_each_rows(wk_parameters *set, wk_row_visit visit, void *context);

/* To be called by whoever wrote elements [start, start + count) of a chunk's values through its
 * storage or a view of it: the parameters there count it as a write. */
void wk_parameters_mark_written(wk_parameters *set, size_t chunk, int64_t start, int64_t count);

/* A 1-D view of elements [start, start + count) of a storage shaped like a chunk. Owned. */
wk_tensor *wk_chunk_view(const wk_chunk *chunk, wk_storage *storage, int64_t start, int64_t count);

#endif

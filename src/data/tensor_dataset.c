/* SPDX-License-Identifier: Apache-2.0 */

/* A data set over the rows of two tensors. */

#include <string.h>

#include "base/memory.h"
#include "data/source.h"
#include "tensor/tensor.h"

/* A tensor's rows, side by side in the host's memory: the tensor's own bytes where it can be, so
 * that nothing is copied and later writes are seen; a copy otherwise. */
typedef struct rows {
  wk_tensor *tensor;
  char *copy; /* NULL: the tensor's bytes */
} rows;

typedef struct tensor_source {
  rows inputs, labels;
  size_t row_size;
} tensor_source;

static wk_status open_rows(rows *r, wk_tensor *tensor) {
  r->tensor = wk_tensor_retain(tensor);
  if (wk_tensor_device_of(tensor)->host_memory && wk_tensor_is_contiguous(tensor)) return WK_OK;
  const size_t size = (size_t)wk_tensor_count(tensor) * wk_dtype_size(wk_tensor_dtype(tensor));
  r->copy = wk_allocate(size + 1); /* it may hold nothing */
  return r->copy ? wk_tensor_read(tensor, r->copy, size) : wk_error_status();
}

static const char *row(const rows *r, int64_t index, size_t size) {
  return (r->copy ? r->copy : wk_tensor_data(r->tensor)) + (size_t)index * size;
}

static wk_status get_row(void *context, int64_t index, void *input, int64_t *label) {
  const tensor_source *source = context;
  memcpy(input, row(&source->inputs, index, source->row_size), source->row_size);
  memcpy(label, row(&source->labels, index, sizeof(*label)), sizeof(*label));
  return WK_OK;
}

static void destroy(void *context) {
  tensor_source *source = context;
  wk_tensor_release(source->inputs.tensor);
  wk_tensor_release(source->labels.tensor);
  wk_deallocate(source->inputs.copy);
  wk_deallocate(source->labels.copy);
  wk_deallocate(source);
}

static wk_status check(const wk_tensor *inputs, const wk_tensor *labels) {
  if (!inputs || !labels)
    return wk_fail(WK_ERROR_ARGUMENT, "wk_dataset_from_tensors: inputs or labels is NULL");
  if (wk_tensor_dtype(labels) != WK_I64) {
    wk_fail(WK_ERROR_DTYPE, "labels must be i64, but are %s",
            wk_dtype_name(wk_tensor_dtype(labels)));
    wk_error_add_hint("wk_cast(labels, WK_I64) converts them");
    return WK_ERROR_DTYPE;
  }
  if (wk_tensor_rank(inputs) < 1 || wk_tensor_rank(labels) != 1 ||
      wk_tensor_dim(inputs, 0) != wk_tensor_dim(labels, 0)) {
    char a[128], b[128];
    wk_tensor_describe(inputs, a, sizeof(a));
    wk_tensor_describe(labels, b, sizeof(b));
    wk_fail(WK_ERROR_SHAPE, "inputs %s and labels %s are not [N, ...] and [N]", a, b);
    wk_error_add_hint("each row of inputs has one label, a class number");
    return WK_ERROR_SHAPE;
  }
  return WK_OK;
}

static wk_dataset *from_tensors(wk_tensor *inputs, wk_tensor *labels) {
  if (check(inputs, labels) < 0) return NULL;
  tensor_source *source = wk_allocate_zeroed(1, sizeof(*source));
  if (!source) return NULL;
  const wk_shape whole = wk_tensor_shape(inputs);
  wk_dataset_functions functions = {.struct_size = sizeof(functions),
                                    .get = get_row,
                                    .destroy = destroy,
                                    .count = whole.dims[0],
                                    .shape = {.rank = whole.rank - 1},
                                    .dtype = wk_tensor_dtype(inputs)};
  source->row_size = wk_dtype_size(functions.dtype);
  for (int i = 1; i < whole.rank; i++) {
    functions.shape.dims[i - 1] = whole.dims[i];
    source->row_size *= (size_t)whole.dims[i]; /* no overflow: the whole tensor is in memory */
  }
  open_rows(&source->inputs, inputs);
  open_rows(&source->labels, labels);
  return wk_dataset_create(&functions, source); /* frees the source if anything failed */
}

wk_dataset *wk_dataset_from_tensors_at(wk_place here, wk_tensor *inputs, wk_tensor *labels) {
  if (wk_failed()) return NULL;
  wk_dataset *dataset = from_tensors(inputs, labels);
  wk_error_add_call("dataset_from_tensors", here);
  return dataset;
}

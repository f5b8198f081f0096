/* SPDX-License-Identifier: Apache-2.0 */
#include "data/batch.h"

#include <string.h>

#include "base/memory.h"
#include "data/shuffle.h"
#include "data/source.h"
#include "tensor/tensor.h"

/* Whether a tensor can be overwritten without anybody noticing: nobody else holds it, its root (a
 * view does) or its storage (a recorded op does), and nobody made it a leaf. */
static bool is_ours_alone(const wk_tensor *tensor) {
  return atomic_load(&tensor->references) == 1 && atomic_load(&tensor->root->references) == 1 &&
         atomic_load(&tensor->root->storage->references) == 1 && !tensor->leaf && !tensor->link &&
         !tensor->requires_gradient;
}

/* Makes *tensor one of this dtype and shape that can be written. */
static wk_status ready_tensor(wk_tensor **tensor, wk_dtype dtype, const wk_shape *shape,
                              wk_device *device) {
  wk_layout layout;
  if (!wk_layout_contiguous(&layout, dtype, shape)) return wk_error_status();
  if (*tensor && is_ours_alone(*tensor) && wk_layout_same_dims(&(*tensor)->layout, &layout))
    return WK_OK;
  wk_tensor_release(*tensor);
  *tensor = wk_tensor_create(&layout, device);
  return *tensor ? WK_OK : wk_error_status();
}

static wk_status ready_order(wk_batch_maker *maker, int64_t epoch) {
  if (!maker->shuffle || maker->order_epoch == epoch) return WK_OK;
  const int64_t count = maker->dataset->count;
  if (!maker->order) maker->order = wk_allocate_zeroed((size_t)count, sizeof(int64_t));
  if (!maker->order) return wk_error_status();
  wk_permutation(maker->seed, WK_STREAM_EPOCH + (uint64_t)epoch, count, maker->order);
  maker->order_epoch = epoch;
  return WK_OK;
}

/* Writes examples `begin` to `begin + count` of the order side by side. */
static wk_status fill(wk_batch_maker *maker, int64_t begin, int64_t count, char *inputs,
                      int64_t *labels) {
  wk_status status = WK_OK;
  for (int64_t i = 0; status == WK_OK && i < count; i++) {
    const int64_t index = maker->order ? maker->order[begin + i] : begin + i;
    status = wk_dataset_fill(maker->dataset, index,
                             inputs + (size_t)i * maker->dataset->example_size, &labels[i]);
  }
  return status;
}

/* The same by way of the host's memory. */
static wk_status fill_staged(wk_batch_maker *maker, int64_t begin, int64_t count,
                             wk_tensor *tensors[WK_BATCH_TENSORS]) {
  const size_t labels_size = (size_t)maker->batch_size * sizeof(int64_t);
  const size_t size = (size_t)count * maker->dataset->example_size;
  if (!maker->staging) {
    size_t most;
    if (!wk_multiply_size((size_t)maker->batch_size, maker->dataset->example_size, &most) ||
        !wk_add_size(most, labels_size, &most))
      return wk_fail(WK_ERROR_SHAPE, "a batch of %lld examples is too large",
                     (long long)maker->batch_size);
    maker->staging = wk_allocate(most);
    if (!maker->staging) return wk_error_status();
  }
  int64_t *labels = (int64_t *)(void *)maker->staging; /* first, where it is aligned */
  char *inputs = maker->staging + labels_size;
  wk_status status = fill(maker, begin, count, inputs, labels);
  if (status == WK_OK) status = wk_tensor_write(tensors[0], inputs, size);
  if (status == WK_OK)
    status = wk_tensor_write(tensors[1], labels, (size_t)count * sizeof(int64_t));
  return status;
}

wk_status wk_batch_make(wk_batch_maker *maker, int64_t epoch, int64_t batch,
                        wk_tensor *tensors[WK_BATCH_TENSORS]) {
  const wk_model_input *input = &maker->dataset->input;
  const int64_t begin = batch * maker->batch_size;
  const int64_t left = maker->dataset->count - begin;
  const int64_t count = left < maker->batch_size ? left : maker->batch_size;
  wk_shape shape = {.rank = input->shape.rank + 1, .dims = {count}};
  memcpy(shape.dims + 1, input->shape.dims, (size_t)input->shape.rank * sizeof(int64_t));
  wk_status status = ready_order(maker, epoch);
  if (status == WK_OK) status = ready_tensor(&tensors[0], input->dtype, &shape, maker->device);
  if (status == WK_OK)
    status = ready_tensor(&tensors[1], WK_I64, &(wk_shape){1, {count}}, maker->device);
  if (status < 0) return status;
  WK_SCOPE; /* a user's get may call ops */
  if (maker->device->host_memory)
    return fill(maker, begin, count, wk_tensor_data(tensors[0]),
                (int64_t *)(void *)wk_tensor_data(tensors[1]));
  return fill_staged(maker, begin, count, tensors);
}

void wk_batch_maker_clear(wk_batch_maker *maker) {
  wk_deallocate(maker->order);
  wk_deallocate(maker->staging);
  memset(maker, 0, sizeof(*maker));
}

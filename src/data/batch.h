/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_DATA_BATCH_H
#define WICK_DATA_BATCH_H

/* Makes batches: the n-th of an epoch is a function of the data set, the seed and (epoch, n) alone,
 * whoever asks for it and in whatever order. */

#include <wick/data.h>

typedef struct wk_batch_maker {
  wk_dataset *dataset;
  wk_device *device;
  int64_t batch_size;
  bool shuffle;
  uint64_t seed;
  int64_t *order;      /* the examples in the order of `order_epoch`; NULL: as they are */
  int64_t order_epoch; /* -1: none yet */
  char *staging;       /* a batch on its way to a device with memory of its own */
} wk_batch_maker;

/* The tensors of one batch: inputs and labels. */
enum { WK_BATCH_TENSORS = 2 };

/* Fills `tensors`, which are NULL or owned, with a batch. They are reused where nobody else has
 * kept them or a view of them, and replaced otherwise. */
wk_status wk_batch_make(wk_batch_maker *maker, int64_t epoch, int64_t batch,
                        wk_tensor *tensors[WK_BATCH_TENSORS]);

void wk_batch_maker_clear(wk_batch_maker *maker);

#endif

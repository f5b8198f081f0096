/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_INDEXING_H
#define WICK_INDEXING_H

/* Parts of tensors, as NumPy and PyTorch write them in brackets: x[2, :, mask, 1:-1:2, None, ...,
 * idx] is wk_index(x, WK_AT(2), WK_ALL, WK_MASK(mask), WK_RANGE(1, -1, 2), WK_NEW_AXIS, WK_REST,
 *            WK_TAKE(idx))
 * And tensors taken to pieces. Results belong to the innermost scope. */

#include <wick/ops.h>

WK_BEGIN_C

typedef enum wk_index_kind {
  WK_INDEX_ALL = 0,
  WK_INDEX_AT = 1,
  WK_INDEX_RANGE = 2,
  WK_INDEX_NEW_AXIS = 3,
  WK_INDEX_REST = 4,
  WK_INDEX_TAKE = 5,
  WK_INDEX_MASK = 6
} wk_index_kind;

/* What is taken of one axis. The macros below make them. */
typedef struct wk_index_item {
  wk_index_kind kind;
  int64_t start, end, step;
  wk_tensor *tensor;
} wk_index_item;

typedef struct wk_index_items {
  size_t count;
  const wk_index_item *item;
} wk_index_items;

#ifdef __cplusplus
#define WK_INDEX_ITEM_(...) (wk_index_item{__VA_ARGS__})
#else
#define WK_INDEX_ITEM_(...) ((wk_index_item){__VA_ARGS__})
#endif

/* One place of an axis, which goes away; negative ones count from the end. */
#define WK_AT(place) WK_INDEX_ITEM_(WK_INDEX_AT, (place), 0, 0, NULL)
/* start, start + step, ... before end, as wk_slice takes them; WK_FIRST and WK_LAST are the ends.
 */
#define WK_RANGE(start, end, step) WK_INDEX_ITEM_(WK_INDEX_RANGE, (start), (end), (step), NULL)
/* All of an axis. */
#define WK_ALL WK_INDEX_ITEM_(WK_INDEX_ALL, 0, 0, 0, NULL)
/* All of as many axes as the others leave; at the end it can be left out. */
#define WK_REST WK_INDEX_ITEM_(WK_INDEX_REST, 0, 0, 0, NULL)
/* A new axis of size 1. */
#define WK_NEW_AXIS WK_INDEX_ITEM_(WK_INDEX_NEW_AXIS, 0, 0, 0, NULL)
/* The places that a tensor of integers names; a tensor of bools is a mask. */
#define WK_TAKE(places) WK_INDEX_ITEM_(WK_INDEX_TAKE, 0, 0, 0, (places))
/* Where a bool tensor is true: it stands for as many axes as it has and leaves one. */
#define WK_MASK(mask) WK_INDEX_ITEM_(WK_INDEX_MASK, 0, 0, 0, (mask))

/* The part of x. Without WK_TAKE and WK_MASK it shares x's memory. Several tensors are broadcast
 * together; the axes they leave stand where they did if they are neighbours, else in front, as in
 * PyTorch. A mask waits for the device. Has a gradient. [any thread] */
WK_API wk_tensor *wk_index_at(wk_place here, wk_tensor *x, wk_index_items items);

/* A copy of x whose part is source, cast to x's dtype and broadcast; or with source added to the
 * part. Have gradients for both. [any thread] */
WK_API wk_tensor *wk_index_update_at(wk_place here, wk_tensor *x, wk_tensor *source,
                                     wk_index_items items);
WK_API wk_tensor *wk_index_accumulate_at(wk_place here, wk_tensor *x, wk_tensor *source,
                                         wk_index_items items);

#ifndef __cplusplus
#define WK_INDEX_ITEMS_(...)                                                                       \
  ((wk_index_items){sizeof((wk_index_item[]){__VA_ARGS__}) / sizeof(wk_index_item),                \
                    (wk_index_item[]){__VA_ARGS__}})
#define wk_index(x, ...) wk_index_at(WK_HERE, x, WK_INDEX_ITEMS_(__VA_ARGS__))
#define wk_index_update(x, source, ...)                                                            \
  wk_index_update_at(WK_HERE, x, source, WK_INDEX_ITEMS_(__VA_ARGS__))
#define wk_index_accumulate(x, source, ...)                                                        \
  wk_index_accumulate_at(WK_HERE, x, source, WK_INDEX_ITEMS_(__VA_ARGS__))
#else
extern "C++" {
template <typename... Item>
inline wk_tensor *wk_index_of(wk_place here, wk_tensor *x, Item... items) {
  const wk_index_item list[] = {items...};
  return wk_index_at(here, x, wk_index_items{sizeof...(Item), list});
}
template <typename... Item>
inline wk_tensor *wk_index_update_of(wk_place here, wk_tensor *x, wk_tensor *source,
                                     Item... items) {
  const wk_index_item list[] = {items...};
  return wk_index_update_at(here, x, source, wk_index_items{sizeof...(Item), list});
}
template <typename... Item>
inline wk_tensor *wk_index_accumulate_of(wk_place here, wk_tensor *x, wk_tensor *source,
                                         Item... items) {
  const wk_index_item list[] = {items...};
  return wk_index_accumulate_at(here, x, source, wk_index_items{sizeof...(Item), list});
}
}
#define wk_index(...) wk_index_of(WK_HERE, __VA_ARGS__)
#define wk_index_update(...) wk_index_update_of(WK_HERE, __VA_ARGS__)
#define wk_index_accumulate(...) wk_index_accumulate_of(WK_HERE, __VA_ARGS__)
#endif

/* Overwrites the elements of target, which may be a view: others of the same memory see it. The
 * value is cast and broadcast; it may overlap. WK_ERROR_STATE where a gradient is recorded of
 * either: wk_index_update, wk_slice_update and wk_index_put make new tensors instead. [one thread
 * at a time per object] */
WK_API wk_status wk_assign_at(wk_place here, wk_tensor *target, wk_tensor *value);
#define wk_assign(...) wk_assign_at(WK_HERE, __VA_ARGS__)

/* ---- pieces along an axis: `count` views of x, written to pieces[0 .. count - 1], NULL on failure
 * ---- */

/* Pieces of `size`; the last may be smaller. WK_ERROR_ARGUMENT unless there are `count`. [any
 * thread] */
WK_API wk_status wk_split_at(wk_place here, wk_tensor **pieces, size_t count, wk_tensor *x,
                             int axis, int64_t size);
#define wk_split(...) wk_split_at(WK_HERE, __VA_ARGS__)

/* Pieces of the sizes given, which add up to the axis' size. [any thread] */
WK_API wk_status wk_split_sizes_at(wk_place here, wk_tensor **pieces, size_t count, wk_tensor *x,
                                   int axis, const int64_t *sizes);
#define wk_split_sizes(...) wk_split_sizes_at(WK_HERE, __VA_ARGS__)

/* Pieces as large as the first, rounded up; the last ones may be smaller or empty. [any thread] */
WK_API wk_status wk_chunk_at(wk_place here, wk_tensor **pieces, size_t count, wk_tensor *x,
                             int axis);
#define wk_chunk(...) wk_chunk_at(WK_HERE, __VA_ARGS__)

/* Pieces whose sizes differ by one at most, larger ones first. [any thread] */
WK_API wk_status wk_tensor_split_at(wk_place here, wk_tensor **pieces, size_t count, wk_tensor *x,
                                    int axis);
#define wk_tensor_split(...) wk_tensor_split_at(WK_HERE, __VA_ARGS__)

/* The parts at each place of the axis, without it. WK_ERROR_ARGUMENT unless there are `count`. [any
 * thread] */
WK_API wk_status wk_unbind_at(wk_place here, wk_tensor **parts, size_t count, wk_tensor *x,
                              int axis);
#define wk_unbind(...) wk_unbind_at(WK_HERE, __VA_ARGS__)

/* The tensors broadcast to the sizes that they have together: views, in results[0 .. count - 1].
 * [any thread] */
WK_API wk_status wk_broadcast_tensors_at(wk_place here, wk_tensor **results, wk_tensors tensors);
#define wk_broadcast_tensors(...) wk_broadcast_tensors_at(WK_HERE, __VA_ARGS__)

WK_END_C

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Mistakes with tensors, scopes and devices. */
#include "golden/mistakes.h"

static void op_without_scope(void) { wk_full(WK_SHAPE(2, 3), 1); }

static void operand_is_null(void) {
  WK_SCOPE;
  wk_add(wk_full(WK_SHAPE(2, 3), 1), NULL);
}

static void inner_sizes_differ(void) {
  WK_SCOPE;
  wk_matmul(wk_full(WK_SHAPE(64, 784), 1), wk_full(WK_SHAPE(10, 784), 1));
}

static void sizes_do_not_broadcast(void) {
  WK_SCOPE;
  wk_add(wk_full(WK_SHAPE(64, 10), 1), wk_full(WK_SHAPE(64), 1));
}

static void dtypes_mixed(void) {
  WK_SCOPE;
  wk_matmul(wk_full(WK_SHAPE(4, 4), 1), wk_full(WK_SHAPE(4, 4), 2, .dtype = WK_F64));
}

static void axis_out_of_range(void) {
  WK_SCOPE;
  wk_sum(wk_full(WK_SHAPE(4, 5), 1), .axes = WK_AXES(2));
}

static void reshape_to_another_count(void) {
  WK_SCOPE;
  wk_reshape(wk_full(WK_SHAPE(64, 7, 7, 32), 1), WK_SHAPE(64, 784));
}

static void joined_sizes_differ(void) {
  WK_SCOPE;
  wk_concatenate(WK_TENSORS(wk_full(WK_SHAPE(8, 3), 1), wk_full(WK_SHAPE(4, 2), 1)), 0);
}

static void permute_lists_too_few(void) {
  WK_SCOPE;
  wk_permute(wk_full(WK_SHAPE(8, 28, 28, 1), 1), WK_AXES(2, 0, 1));
}

static void broadcast_to_another_size(void) {
  WK_SCOPE;
  wk_broadcast_to(wk_full(WK_SHAPE(3, 1), 1), WK_SHAPE(4, 5));
}

static void slice_of_no_axis(void) {
  WK_SCOPE;
  wk_slice(wk_full(WK_SHAPE(8, 3), 1), 2, 0, 1);
}

static void devices_mixed(void) {
  WK_SCOPE;
  wk_tensor *here = wk_full(WK_SHAPE(4), 1);
  wk_add(here, wk_full(WK_SHAPE(4), 1, .device = wk_device_get("reference")));
}

static void unknown_device(void) { wk_device_get("cuda:0"); }

static void item_of_many(void) {
  WK_SCOPE;
  wk_item(wk_full(WK_SHAPE(64, 10), 1));
}

static void buffer_of_another_size(void) {
  WK_SCOPE;
  float values[10];
  wk_tensor_read(wk_full(WK_SHAPE(64, 10), 1), values, sizeof values);
}

const mistake tensor_mistakes[] = {
    MISTAKE(op_without_scope, ""),
    MISTAKE(operand_is_null, ""),
    MISTAKE(inner_sizes_differ, "S"),
    MISTAKE(sizes_do_not_broadcast, "S"),
    MISTAKE(dtypes_mixed, "S"),
    MISTAKE(axis_out_of_range, ""),
    MISTAKE(reshape_to_another_count, "S"),
    MISTAKE(joined_sizes_differ, "S"),
    MISTAKE(permute_lists_too_few, ""),
    MISTAKE(broadcast_to_another_size, "S"),
    MISTAKE(slice_of_no_axis, ""),
    MISTAKE(devices_mixed, "S"),
    MISTAKE(unknown_device, ""),
    MISTAKE(item_of_many, ""),
    MISTAKE(buffer_of_another_size, ""),
    {NULL, NULL, NULL},
};

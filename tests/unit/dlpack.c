/* SPDX-License-Identifier: Apache-2.0 */
/* Tensors handed out and taken in by DLPack: shared memory, owners, and everything that is refused.
 */
#include <stdlib.h>

#include <wick/wick.h>

#include "support/unit.h"

/* ---- out ---- */

static void test_out(void **state) {
  (void)state;
  DLManagedTensorVersioned *managed;
  float *data;
  {
    WK_SCOPE;
    wk_tensor *x = wk_reshape(wk_arange(12), WK_SHAPE(3, 4));
    managed = wk_tensor_to_dlpack(wk_transpose(wk_slice(x, 0, 1, 3), 0, 1));
    assert_non_null(managed);
    data = managed->dl_tensor.data;
    data[4] = 70; /* both see it */
    assert_true(wk_item(wk_index(x, WK_AT(2), WK_AT(0))) == 70);
  }
  const DLTensor *t = &managed->dl_tensor; /* outlives the scope */
  assert_int_equal(managed->version.major, 1);
  assert_true(managed->flags == 0 && t->device.device_type == kDLCPU && t->byte_offset == 0);
  assert_true(t->dtype.code == kDLFloat && t->dtype.bits == 32 && t->dtype.lanes == 1);
  assert_true(t->ndim == 2 && t->shape[0] == 4 && t->shape[1] == 2);
  assert_true(t->strides[0] == 1 && t->strides[1] == 4);
  assert_true(data[0] == 4 && data[7] == 11);
  managed->deleter(managed);
}

static void test_out_of_a_leaf(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *x = wk_full(WK_SHAPE(2), 1);
  wk_tensor_set_requires_gradient(x, true);
  assert_null(wk_tensor_to_dlpack(x));
  assert_error_says(WK_ERROR_STATE, "requires a gradient");
  assert_null(wk_tensor_to_dlpack(NULL));
  assert_error_says(WK_ERROR_ARGUMENT, "NULL");
}

/* ---- in ---- */

static int deleted;

static void count_deletion(DLManagedTensorVersioned *self) {
  (void)self;
  deleted++;
}

static double values[6] = {1, 2, 3, 4, 5, 6};
static int64_t shape[2] = {2, 2}, strides[2] = {3, -1};

/* 2 by 2 elements of `values`, from number 2 on, rows backwards: 3 2 / 6 5. */
static DLManagedTensorVersioned lend(void) {
  deleted = 0;
  for (int i = 0; i < 6; i++) values[i] = i + 1;
  return (DLManagedTensorVersioned){.version = {1, 9},
                                    .deleter = count_deletion,
                                    .dl_tensor = {.data = values,
                                                  .device = {.device_type = kDLCPU},
                                                  .ndim = 2,
                                                  .dtype = {kDLFloat, 64, 1},
                                                  .shape = shape,
                                                  .strides = strides,
                                                  .byte_offset = 2 * sizeof(double)}};
}

static void test_in(void **state) {
  (void)state;
  DLManagedTensorVersioned lent = lend();
  {
    WK_SCOPE;
    wk_tensor *x = wk_tensor_from_dlpack(&lent);
    double read[4];
    assert_int_equal(wk_tensor_read(x, read, sizeof read), WK_OK);
    assert_true(read[0] == 3 && read[1] == 2 && read[2] == 6 && read[3] == 5);
    assert_int_equal(wk_assign(wk_index(x, WK_AT(1)), wk_scalar(-1)), WK_OK);
    assert_true(values[5] == -1 && values[4] == -1 && values[3] == 4);
    wk_tensor *square = wk_multiply(x, x);
    assert_true(wk_item(wk_sum(square)) == 15);
    assert_int_equal(deleted, 0);
  }
  assert_int_equal(deleted, 1);
}

static void test_read_only(void **state) {
  (void)state;
  DLManagedTensorVersioned lent = lend();
  lent.flags = DLPACK_FLAG_BITMASK_READ_ONLY;
  {
    WK_SCOPE;
    wk_tensor *x = wk_tensor_from_dlpack(&lent);
    wk_assign(x, wk_scalar(0));
    assert_error_says(WK_ERROR_STATE, "read-only");
    const double zeros[4] = {0};
    wk_tensor_write(wk_transpose(x, 0, 1), zeros, sizeof zeros);
    assert_error_says(WK_ERROR_STATE, "read-only");
    assert_true(values[2] == 3);
    assert_int_equal(wk_assign(wk_contiguous(x), wk_scalar(0)), WK_OK);
    DLManagedTensorVersioned *again = wk_tensor_to_dlpack(x);
    assert_true(again->flags == DLPACK_FLAG_BITMASK_READ_ONLY);
    again->deleter(again);
  }
  assert_int_equal(deleted, 1);
}

static void check_refused(DLManagedTensorVersioned *lent, wk_status status, const char *says) {
  WK_SCOPE;
  assert_null(wk_tensor_from_dlpack(lent));
  assert_error_says(status, says);
  assert_int_equal(deleted, 1); /* taken all the same */
}

static void test_refused(void **state) {
  (void)state;
  DLManagedTensorVersioned lent = lend();
  lent.version.major = 2;
  check_refused(&lent, WK_ERROR_UNSUPPORTED, "DLPack 2.9");
  lent = lend(), lent.dl_tensor.device.device_type = kDLCUDA;
  check_refused(&lent, WK_ERROR_UNSUPPORTED, "device type 2");
  lent = lend(), lent.dl_tensor.dtype.lanes = 4;
  check_refused(&lent, WK_ERROR_UNSUPPORTED, "4 lanes");
  lent = lend(), lent.dl_tensor.dtype.code = kDLComplex;
  check_refused(&lent, WK_ERROR_UNSUPPORTED, "code 5");
  lent = lend(), lent.dl_tensor.byte_offset = 4;
  check_refused(&lent, WK_ERROR_UNSUPPORTED, "aligned");
  lent = lend(), lent.dl_tensor.data = NULL, lent.dl_tensor.byte_offset = 0;
  check_refused(&lent, WK_ERROR_UNSUPPORTED, "NULL");
  lent = lend(), lent.dl_tensor.ndim = 99;
  check_refused(&lent, WK_ERROR_SHAPE, "99 dimensions");
  lent = lend(), shape[0] = -2;
  check_refused(&lent, WK_ERROR_SHAPE, "-2");
  shape[0] = INT64_MAX / 2;
  lent = lend();
  check_refused(&lent, WK_ERROR_SHAPE, "larger than any memory");
  shape[0] = 2, strides[0] = INT64_MAX;
  lent = lend();
  check_refused(&lent, WK_ERROR_SHAPE, "strides");
  strides[0] = 3;
  lent = lend();
  deleted = 0;
  assert_null(wk_tensor_from_dlpack(&lent)); /* no scope */
  assert_error_says(WK_ERROR_STATE, "scope");
  assert_int_equal(deleted, 1);
}

/* Without strides, and of every element type there and back. */
static void test_round_trip(void **state) {
  (void)state;
  for (int dtype = WK_F32; wk_dtype_size((wk_dtype)dtype); dtype++) {
    WK_SCOPE;
    wk_tensor *x = wk_cast(wk_arange(6), (wk_dtype)dtype);
    DLManagedTensorVersioned *managed = wk_tensor_to_dlpack(wk_reshape(x, WK_SHAPE(2, 3)));
    managed->dl_tensor.strides = NULL;
    wk_tensor *y = wk_tensor_from_dlpack(managed);
    assert_int_equal(wk_tensor_dtype(y), dtype);
    assert_true(wk_item(wk_sum(wk_cast(y, WK_F64))) == (dtype == WK_BOOL ? 5 : 15));
  }
}

static bool legacy_deleted;
static void delete_legacy(DLManagedTensor *self) {
  (void)self;
  legacy_deleted = true;
}

static void test_legacy(void **state) {
  (void)state;
  const DLManagedTensorVersioned lent = lend();
  DLManagedTensor old = {.dl_tensor = lent.dl_tensor, .deleter = delete_legacy};
  {
    WK_SCOPE;
    assert_true(wk_item(wk_sum(wk_tensor_from_dlpack_legacy(&old))) == 16);
  }
  assert_true(legacy_deleted);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_out),     cmocka_unit_test(test_out_of_a_leaf),
      cmocka_unit_test(test_in),      cmocka_unit_test(test_read_only),
      cmocka_unit_test(test_refused), cmocka_unit_test(test_round_trip),
      cmocka_unit_test(test_legacy),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Putting into so many rows that threads share them gives the same bits for any number of them. */
#include "support/unit.h"

#include <wick/wick.h>

#define ROWS 4200000

static wk_tensor *put(int threads) {
  wk_set_thread_budget(threads);
  wk_tensor *x = wk_uniform(WK_SHAPE(ROWS), .low = -4, .high = 4, .seed = 3, .keyed = true);
  wk_tensor *values = wk_uniform(WK_SHAPE(20000), .low = -4, .high = 4, .seed = 4, .keyed = true);
  wk_tensor *index =
      wk_cast(wk_uniform(WK_SHAPE(20000), .low = 0, .high = ROWS - 1, .seed = 5, .keyed = true),
              WK_I64);
  return wk_scatter_add(x, index, values, .axis = 0);
}

static void rows_are_shared(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *alone = put(1);
  for (int threads = 2; threads <= 5; threads++) {
    WK_SCOPE;
    wk_tensor *differs = wk_not_equal(put(threads), alone);
    assert_no_error();
    assert_true(wk_item(wk_sum(wk_cast(differs, WK_F32))) == 0);
  }
  wk_set_thread_budget(0);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(rows_are_shared)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

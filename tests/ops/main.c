/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of all ops, driven by their records' samples. An argument such as "check conv*" runs only
 * the tests whose name it matches; "--support PATH" writes the page of what is supported instead.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <wick/base.h>

#include "device/host_memory.h"
#include "tests.h"

int run_op_tests(const char *mode, bool (*chosen)(const wk_op *op), void (*test)(void **state)) {
  struct CMUnitTest *tests = calloc((size_t)wk_op_table_count, sizeof *tests);
  char(*names)[96] = calloc((size_t)wk_op_table_count, sizeof *names);
  size_t count = 0;
  for (int i = 0; tests && names && i < wk_op_table_count; i++) {
    if (chosen && !chosen(&wk_op_table[i])) continue;
    snprintf(names[count], sizeof *names, "%s %s", mode, wk_op_table[i].name);
    tests[count] = (struct CMUnitTest){.name = names[count],
                                       .test_func = test,
                                       .initial_state = (void *)(uintptr_t)&wk_op_table[i]};
    count++;
  }
  const int failures = count ? _cmocka_run_group_tests(mode, tests, count, NULL, NULL) : 1;
  free(tests);
  free(names);
  return failures;
}

static bool use_allocator(wk_host_allocator allocator) {
  wk_shutdown(); /* lets go of what is kept, so that nothing is in use */
  if (wk_host_allocator_set(allocator) == WK_OK) return true;
  wk_error_report(stderr);
  return false;
}

int main(int argc, char **argv) {
  if (argc > 2 && strcmp(argv[1], "--support") == 0) return write_support_page(argv[2]);
  if (argc > 1) cmocka_set_test_filter(argv[1]);
  /* Under tools that make all slow: every kernel runs, and differences are left to other runs. */
  const bool quick = getenv("WICK_TEST_QUICK") != NULL;
  int failures = !use_allocator(WK_HOST_GUARD);
  failures += run_check_tests();
  failures += run_recorded_tests();
  if (!quick) failures += run_gradient_tests() + run_second_order_tests() + run_control_tests();
  failures += run_edge_tests();
  failures += run_running_tests();
  failures += run_determinism_tests();
  failures += run_row_tests();
  failures += run_record_tests();
  failures += run_error_tests();
  failures += run_support_tests();
  failures += run_user_tests();
  failures += !use_allocator(WK_HOST_POOL); /* as users run */
  if (!quick) failures += run_check_tests();
  return failures != 0;
}

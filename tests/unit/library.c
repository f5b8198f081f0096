/* SPDX-License-Identifier: Apache-2.0 */

/* The library as a whole: its version, its end, its environment, its share of the machine. */

#include "support/temporary.h"
#include "support/unit.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/environment.h"
#include "base/file.h"
#include "base/library.h"
#include "base/processors.h"
#include "base/text.h"

static char calls[16];

static void call_a(void) { strcat(calls, "a"); }
static void call_b(void) { strcat(calls, "b"); }
static void call_c(void) { strcat(calls, "c"); }

static void the_version_is_one_text(void **state) {
  (void)state;
  char text[32];
  wk_print_into(text, sizeof text, 0, "%d.%d.%d", WK_VERSION_MAJOR, WK_VERSION_MINOR,
                WK_VERSION_PATCH);
  assert_string_equal(wk_version(), text);
}

static void shutdown_goes_backwards(void **state) {
  (void)state;
  calls[0] = '\0';
  wk_at_shutdown(call_a);
  wk_at_shutdown(call_b);
  wk_at_shutdown(call_a);
  wk_at_thread_exit(call_c);
  wk_shutdown();
  assert_string_equal(calls, "cba");
  wk_shutdown();
  assert_string_equal(calls, "cba");
}

static void *end_thread(void *argument) {
  (void)argument;
  wk_at_thread_exit(call_a);
  wk_at_thread_exit(call_b);
  wk_at_thread_exit(call_a);
  return NULL;
}

static void a_thread_cleans_up(void **state) {
  (void)state;
  for (int i = 0; i < 2; i++) {
    calls[0] = '\0';
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, end_thread, NULL), 0);
    pthread_join(thread, NULL);
    assert_string_equal(calls, "ba");
    wk_shutdown();
  }
}

static void the_environment_is_read_once(void **state) {
  (void)state;
  setenv("WICK_THREADS", "3", 1);
  setenv("WICK_DATA", "/somewhere", 1);
  unsetenv("WICK_ALLOCATOR");
  assert_string_equal(wk_variable_get(WK_VARIABLE_DATA), "/somewhere");
  setenv("WICK_DATA", "/elsewhere", 1);
  assert_string_equal(wk_variable_get(WK_VARIABLE_DATA), "/somewhere");
  assert_string_equal(wk_variable_get(WK_VARIABLE_ALLOCATOR), "pool");
  assert_int_equal(wk_thread_count(), 3);
  for (int i = 0; i < WK_VARIABLE_COUNT; i++) {
    assert_memory_equal(wk_variable_table[i].name, "WICK_", 5);
    assert_true(strlen(wk_variable_table[i].doc) > 10);
  }
  wk_shutdown();
}

static void write_text(const char *path, const char *text) {
  char folder[400];
  wk_print_into(folder, sizeof folder, 0, "%.*s", (int)(strrchr(path, '/') - path), path);
  assert_int_equal(wk_folder_create(folder), WK_OK);
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  fputs(text, file);
  fclose(file);
}

static void quotas_are_found(void **state) {
  (void)state;
  char path[400];
  const char *root = temporary_folder();
  const struct {
    const char *name, *text;
  } files[] = {{"cpu.max", "max 100000\n"},
               {"a/cpu.max", "350000 100000\n"},
               {"a/b/cpu.max", "800000 100000\n"},
               {"cpu/cpu.cfs_quota_us", "150000\n"},
               {"cpu/cpu.cfs_period_us", "100000\n"},
               {"cpu/free/cpu.cfs_quota_us", "-1\n"},
               {"cpu/free/cpu.cfs_period_us", "100000\n"}};
  for (size_t i = 0; i < COUNT_OF(files); i++) {
    wk_print_into(path, sizeof path, 0, "%s/%s", root, files[i].name);
    write_text(path, files[i].text);
  }
  assert_true(wk_processor_quota("0::/\n", root) == 0);
  assert_true(wk_processor_quota("0::/a/b\n", root) == 3.5);
  assert_true(wk_processor_quota("0::/gone/entirely\n", root) == 0);
  assert_true(wk_processor_quota("4:memory:/x\n3:cpuset:/a\n2:cpu,cpuacct:/free\n", root) == 1.5);
  assert_true(wk_processor_quota("1:cpu:/\n0::/a", root) == 1.5);
  assert_true(wk_processor_quota("nonsense\n\n::\n", root) == 0);
  assert_true(wk_processor_quota("0::/a", "/nowhere") == 0);
  assert_true(wk_processor_count() >= 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_version_is_one_text), cmocka_unit_test(shutdown_goes_backwards),
      cmocka_unit_test(a_thread_cleans_up),      cmocka_unit_test(the_environment_is_read_once),
      cmocka_unit_test(quotas_are_found),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <math.h>
#include <pthread.h>

#include "base/random.h"
#include "base/text.h"

static const char *format(double value) {
  static char text[64];
  const size_t length = wk_format_number(text, sizeof text, value);
  assert_int_equal(length, strlen(text));
  return text;
}

static void numbers_are_short(void **state) {
  (void)state;
  assert_string_equal(format(0), "0");
  assert_string_equal(format(-0.0), "-0");
  assert_string_equal(format(0.1), "0.1");
  assert_string_equal(format(1.0 / 3), "0.3333333333333333");
  assert_string_equal(format(1e300), "1e+300");
  assert_string_equal(format(5e-324), "5e-324");
  assert_string_equal(format((double)NAN), "nan");
  assert_string_equal(format((double)-INFINITY), "-inf");
  char little[4];
  assert_int_equal(wk_format_number(little, sizeof little, 0.125), 5);
  assert_string_equal(little, "0.1");
}

static void numbers_read_back(void **state) {
  (void)state;
  for (uint64_t i = 0; i < 20000; i++) {
    const uint64_t bits = (uint64_t)wk_random_word(3, 2 * i) << 32 | wk_random_word(3, 2 * i + 1);
    double value, back;
    memcpy(&value, &bits, sizeof value);
    if (!isfinite(value)) continue;
    assert_true(wk_parse_number(format(value), &back));
    assert_memory_equal(&value, &back, sizeof value);
  }
}

static void numbers_are_parsed_whole(void **state) {
  (void)state;
  static const char *const good[] = {"1", "-2.5", "+3e4", ".5", "5.", "inf", "-inf", "4e-324"};
  static const char *const bad[] = {"",  " 1",    "1 ",   "1,5",      "0x10",  "1e",  "e5",
                                    "-", "1e999", "nano", "infinity", "1.2.3", "--1", "."};
  double value = 0;
  for (size_t i = 0; i < COUNT_OF(good); i++) assert_true(wk_parse_number(good[i], &value));
  assert_true(wk_parse_number("nan", &value) && isnan(value));
  value = 7;
  for (size_t i = 0; i < COUNT_OF(bad); i++)
    if (wk_parse_number(bad[i], &value)) fail_msg("\"%s\" was taken for a number", bad[i]);
  assert_true(value == 7);
}

static void integers_have_limits(void **state) {
  (void)state;
  int64_t value;
  assert_true(wk_parse_integer("9223372036854775807", &value) && value == INT64_MAX);
  assert_true(wk_parse_integer("-9223372036854775808", &value) && value == INT64_MIN);
  assert_true(wk_parse_integer("+007", &value) && value == 7);
  assert_false(wk_parse_integer("9223372036854775808", &value));
  assert_false(wk_parse_integer("-9223372036854775809", &value));
  assert_false(wk_parse_integer("", &value));
  assert_false(wk_parse_integer("-", &value));
  assert_false(wk_parse_integer("1.0", &value));
}

static void bytes_are_readable(void **state) {
  (void)state;
  char text[32];
  wk_format_bytes(text, sizeof text, 1023);
  assert_string_equal(text, "1023 bytes");
  wk_format_bytes(text, sizeof text, 3u << 19);
  assert_string_equal(text, "1.50 MiB");
  wk_format_bytes(text, sizeof text, UINT64_MAX);
  assert_string_equal(text, "16.0 EiB");
}

static void print_into_counts_past_the_end(void **state) {
  (void)state;
  char text[8];
  size_t used = wk_print_into(text, sizeof text, 0, "%s", "abcde");
  used = wk_print_into(text, sizeof text, used, "%s", "fghij");
  used = wk_print_into(text, sizeof text, used, "%s", "klm");
  assert_int_equal(used, 13);
  assert_string_equal(text, "abcdefg");
}

static void texts_grow(void **state) {
  (void)state;
  wk_text text = {0};
  for (int i = 0; i < 1000; i++) assert_int_equal(wk_text_append(&text, "%03d,", i), WK_OK);
  assert_int_equal(wk_text_append_bytes(&text, "\0x", 2), WK_OK);
  assert_int_equal(wk_text_append_number(&text, 0.25), WK_OK);
  assert_int_equal(text.length, 4006);
  assert_memory_equal(text.data + 3996, "999,\0x0.25", 11);
  wk_text_free(&text);
  assert_null(text.data);
  wk_text_free(&text);
}

static bool append_twice(void *context) {
  (void)context;
  wk_text text = {0};
  char long_text[300];
  memset(long_text, 'a', sizeof long_text - 1);
  long_text[sizeof long_text - 1] = '\0';
  const bool good = !wk_text_append(&text, "short") && !wk_text_append(&text, "%s", long_text);
  assert_true(good || text.length == 0 || text.length == 5);
  wk_text_free(&text);
  return good;
}

static void appending_survives_lack_of_memory(void **state) {
  (void)state;
  assert_int_equal(fail_each_allocation(append_twice, NULL), 2);
}

static void *intern_many(void *result) {
  const char **names = result;
  for (int i = 0; i < 1000; i++) {
    char name[32];
    wk_print_into(name, sizeof name, 0, "name %d", i);
    names[i] = wk_intern(name);
  }
  return NULL;
}

static void equal_names_are_one(void **state) {
  (void)state;
  static const char *names[4][1000];
  pthread_t threads[4];
  for (int i = 0; i < 4; i++)
    assert_int_equal(pthread_create(&threads[i], NULL, intern_many, names[i]), 0);
  for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
  assert_string_equal(names[0][999], "name 999");
  assert_ptr_not_equal(names[0][0], names[0][1]);
  for (int i = 1; i < 4; i++) assert_memory_equal(names[0], names[i], sizeof names[0]);
  wk_shutdown();
}

static bool intern_one(void *context) {
  (void)context;
  const bool good = wk_intern("a name") != NULL;
  wk_shutdown();
  return good;
}

static void interning_survives_lack_of_memory(void **state) {
  (void)state;
  assert_int_equal(fail_each_allocation(intern_one, NULL), 2);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(numbers_are_short),
      cmocka_unit_test(numbers_read_back),
      cmocka_unit_test(numbers_are_parsed_whole),
      cmocka_unit_test(integers_have_limits),
      cmocka_unit_test(bytes_are_readable),
      cmocka_unit_test(print_into_counts_past_the_end),
      cmocka_unit_test(texts_grow),
      cmocka_unit_test(appending_survives_lack_of_memory),
      cmocka_unit_test(equal_names_are_one),
      cmocka_unit_test(interning_survives_lack_of_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

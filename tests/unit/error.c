/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <errno.h>
#include <locale.h>
#include <pthread.h>
#include <stdlib.h>

static void first_error_wins(void **state) {
  (void)state;
  assert_int_equal(wk_error_status(), WK_OK);
  assert_int_equal(wk_fail(WK_ERROR_SHAPE, "first %d", 1), WK_ERROR_SHAPE);
  assert_int_equal(wk_error_set(WK_ERROR_IO, "second"), WK_ERROR_IO);
  assert_true(wk_failed());
  wk_error error = {.struct_size = sizeof error};
  assert_true(wk_error_take(&error));
  assert_int_equal(error.status, WK_ERROR_SHAPE);
  assert_string_equal(error.message, "first 1");
  assert_string_equal(error.hint, "");
  assert_string_equal(error.file, "");
  assert_int_equal(wk_error_status(), WK_OK);
  assert_false(wk_error_take(&error));
}

static void success_is_no_error(void **state) {
  (void)state;
  assert_int_equal(wk_error_set(WK_OK, "nothing"), WK_OK);
  assert_int_equal(wk_error_set(WK_END, "the end"), WK_END);
  assert_false(wk_failed());
  wk_error_add_hint("no effect");
  wk_error_add_op("no effect");
  wk_error_wrap("no effect");
  char text[8] = "x";
  assert_int_equal(wk_error_text(text, sizeof text), 0);
  assert_string_equal(text, "");
  assert_int_equal(wk_error_report(NULL), 0);
}

static void raise_full_error(void) {
  wk_fail(WK_ERROR_SHAPE, "dimension 1 of the weight (3136) must equal the input's (1568)");
  wk_error_add_op("linear");
  wk_error_add_module("network.7 (linear)");
  wk_error_add_place((wk_place){"fashion.c", "train_step", 9});
  wk_error_add_shapes("input  f32 [64, 1568]\nweight f32 [10, 3136]");
  wk_error_add_hint("network was built for images 28x28x1");
}

static const char full_text[] =
    "wick: shape error in linear, at network.7 (linear), called from fashion.c:9 in train_step\n"
    "  input  f32 [64, 1568]\n"
    "  weight f32 [10, 3136]\n"
    "  dimension 1 of the weight (3136) must equal the input's (1568)\n"
    "  hint: network was built for images 28x28x1\n";

static void text_is_complete(void **state) {
  (void)state;
  raise_full_error();
  wk_error_add_op("outer"); /* what is known already stays */
  wk_error_add_place((wk_place){"other.c", "main", 1});
  char text[2048];
  assert_int_equal(wk_error_text(text, sizeof text), strlen(full_text));
  assert_string_equal(text, full_text);
  char little[16];
  assert_int_equal(wk_error_text(little, sizeof little), strlen(full_text));
  assert_memory_equal(little, full_text, 15);
  assert_int_equal(little[15], 0);
  assert_int_equal(wk_error_text(NULL, 0), strlen(full_text));
  assert_error(WK_ERROR_SHAPE);

  wk_fail(WK_ERROR_STATE, "one line");
  wk_error_text(text, sizeof text);
  assert_string_equal(text, "wick: state error\n  one line\n");
  assert_error(WK_ERROR_STATE);
}

static void report_prints_and_ends(void **state) {
  (void)state;
  FILE *stream = tmpfile();
  assert_non_null(stream);
  assert_int_equal(wk_error_report(stream), 0);
  raise_full_error();
  assert_int_equal(wk_error_report(stream), 1);
  assert_false(wk_failed());
  char text[2048] = "";
  rewind(stream);
  assert_int_equal(fread(text, 1, sizeof text - 1, stream), strlen(full_text));
  assert_string_equal(text, full_text);
  fclose(stream);
  raise_full_error();
  assert_int_equal(wk_error_report(NULL), 1);
  assert_false(wk_failed());
}

static void wrap_keeps_the_cause(void **state) {
  (void)state;
  wk_fail(WK_ERROR_FORMAT, "byte %d is wrong", 7);
  wk_error_wrap("cannot load %s", "a.idx");
  wk_error_wrap("cannot open the data set");
  char text[512];
  wk_error_text(text, sizeof text);
  assert_string_equal(text, "wick: format error\n  cannot open the data set\n"
                            "  cause: cannot load a.idx: byte 7 is wrong\n");
  assert_error(WK_ERROR_FORMAT);
}

static void long_texts_are_cut(void **state) {
  (void)state;
  char text[4001];
  for (size_t i = 0; i < 4000; i += 2) memcpy(text + i, "\xc3\xa4", 2);
  text[4000] = '\0';
  for (int shift = 0; shift < 2; shift++) { /* the cut falls on both halves of a character */
    wk_fail(WK_ERROR_IO, "%s%s", shift ? "x" : "", text);
    wk_error error = {.struct_size = sizeof error};
    assert_true(wk_error_take(&error));
    const size_t length = strlen(error.message);
    assert_true(length > 1000 && length < 1024);
    assert_string_equal(error.message + length - 3, "...");
    assert_int_equal((length - 3 - (size_t)shift) % 2, 0);
  }
}

static void small_error_structs_are_respected(void **state) {
  (void)state;
  struct {
    wk_error error;
    char behind;
  } old = {.error = {.struct_size = offsetof(wk_error, message), .message = "untouched"},
           .behind = 'x'};
  wk_fail(WK_ERROR_INDEX, "new");
  assert_true(wk_error_take(&old.error));
  assert_int_equal(old.error.status, WK_ERROR_INDEX);
  assert_string_equal(old.error.message, "untouched");
  assert_int_equal(old.error.struct_size, offsetof(wk_error, message));
}

static void system_errors_are_named(void **state) {
  (void)state;
  errno = EACCES;
  assert_int_equal(wk_fail_errno("open", "/x/y"), WK_ERROR_IO);
  assert_error_says(WK_ERROR_IO, "cannot open /x/y: Permission denied");
  errno = ENOENT;
  assert_int_equal(wk_fail_errno("open", "/x/y"), WK_ERROR_NOT_FOUND);
  assert_error(WK_ERROR_NOT_FOUND);
  wk_fail_memory((size_t)3 << 30);
  assert_error_says(WK_ERROR_MEMORY, "3.00 GiB");
}

static void *raise_in_thread(void *argument) {
  (void)argument;
  if (wk_failed()) return NULL;
  raise_full_error();
  return wk_error_pack();
}

static void errors_travel_between_threads(void **state) {
  (void)state;
  wk_fail(WK_ERROR_INDEX, "of this thread");
  pthread_t thread;
  void *parcel;
  assert_int_equal(pthread_create(&thread, NULL, raise_in_thread, NULL), 0);
  assert_int_equal(pthread_join(thread, &parcel), 0);
  assert_non_null(parcel);
  assert_error_says(WK_ERROR_INDEX, "of this thread");
  wk_error_unpack(parcel);
  assert_error_says(WK_ERROR_SHAPE, "called from fashion.c:9");
  assert_null(wk_error_pack());
  wk_error_unpack(NULL);
  assert_no_error();
}

static void packing_without_memory_keeps_the_error(void **state) {
  (void)state;
  wk_fail(WK_ERROR_INDEX, "kept");
  wk_memory_fail_after(0);
  assert_null(wk_error_pack());
  wk_memory_fail_after(-1);
  assert_error_says(WK_ERROR_INDEX, "kept");
}

static void statuses_have_names(void **state) {
  (void)state;
  assert_string_equal(wk_status_name(WK_OK), "ok");
  assert_string_equal(wk_status_name(WK_END), "end");
  assert_string_equal(wk_status_name(WK_ERROR_SHAPE), "shape error");
  assert_string_equal(wk_status_name(WK_ERROR_DEVICE), "device error");
  assert_string_equal(wk_status_name((wk_status)-99), "error");
}

static void messages_ignore_the_locale(void **state) {
  (void)state;
  if (!setlocale(LC_ALL, "de_DE.UTF-8") && !setlocale(LC_ALL, "de_DE.utf8")) skip();
  wk_fail(WK_ERROR_ARGUMENT, "rate %g", 0.5);
  assert_error_says(WK_ERROR_ARGUMENT, "rate 0.5");
  setlocale(LC_ALL, "C");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(first_error_wins),
      cmocka_unit_test(success_is_no_error),
      cmocka_unit_test(text_is_complete),
      cmocka_unit_test(report_prints_and_ends),
      cmocka_unit_test(wrap_keeps_the_cause),
      cmocka_unit_test(long_texts_are_cut),
      cmocka_unit_test(small_error_structs_are_respected),
      cmocka_unit_test(system_errors_are_named),
      cmocka_unit_test(errors_travel_between_threads),
      cmocka_unit_test(packing_without_memory_keeps_the_error),
      cmocka_unit_test(statuses_have_names),
      cmocka_unit_test(messages_ignore_the_locale),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "format/safetensors.h"
#include "support/temporary.h"

/* A file in memory with this header and so many bytes of data. */
typedef struct made {
  char *bytes;
  size_t size;
} made;

static made make(const char *header, size_t data_size) {
  const size_t length = strlen(header);
  made m = {test_calloc(8 + length + data_size + 1, 1), 8 + length + data_size};
  for (int i = 0; i < 8; i++) m.bytes[i] = (char)(length >> (8 * i));
  memcpy(m.bytes + 8, header, length);
  return m;
}

static wk_safetensors *parse(const char *header, size_t data_size, made *m) {
  *m = make(header, data_size);
  return wk_safetensors_parse(m->bytes, m->size);
}

static void expect_refused(const char *header, size_t data_size, const char *why) {
  made m;
  assert_null(parse(header, data_size, &m));
  assert_error_says(WK_ERROR_FORMAT, why);
  test_free(m.bytes);
}

static void expect_accepted(const char *header, size_t data_size, size_t count) {
  made m;
  wk_safetensors *file = parse(header, data_size, &m);
  assert_no_error();
  assert_int_equal(wk_safetensors_count(file), count);
  wk_safetensors_free(file);
  test_free(m.bytes);
}

/* ---- what the format demands ---- */

static void accepts_good_headers(void **state) {
  (void)state;
  expect_accepted("{}", 0, 0);
  expect_accepted(" {\"__metadata__\":{\"a\":\"b\"}}   ", 0, 0);
  expect_accepted("{\"__metadata__\":null}", 0, 0);
  expect_accepted("{\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}", 4, 1);
  expect_accepted("{\"a\":{\"dtype\":\"BF16\",\"shape\":[0,7],\"data_offsets\":[0,0]}}", 0, 1);
  expect_accepted("{\"b\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[4,7]},"
                  "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"more\":1}}",
                  7, 2);
}

static void refuses_bad_headers(void **state) {
  (void)state;
  expect_refused("", 0, "JSON");
  expect_refused("null", 0, "JSON");
  expect_refused("[]", 0, "no JSON object");
  expect_refused("{} x", 0, "JSON");
  expect_refused("{\"a\":\"\xff\"}", 0, "JSON");
  expect_refused("{\"a\":1}", 0, "no JSON object");
  expect_refused("{\"__metadata__\":{\"a\":1}}", 0, "no string");
  expect_refused("{\"__metadata__\":[]}", 0, "no JSON object");
  expect_refused("{\"a\":{},\"a\":{}}", 0, "JSON");
}

static void refuses_bad_entries(void **state) {
  (void)state;
#define ONE(dtype, shape, offsets)                                                                 \
  "{\"a\":{\"dtype\":" dtype ",\"shape\":" shape ",\"data_offsets\":" offsets "}}"
  expect_refused(ONE("\"F33\"", "[1]", "[0,4]"), 4, "unknown dtype 'F33'");
  expect_refused(ONE("1", "[1]", "[0,4]"), 4, "no dtype");
  expect_refused(ONE("\"F32\"", "4", "[0,4]"), 4, "no shape");
  expect_refused(ONE("\"F32\"", "[-1]", "[0,4]"), 4, "something else than sizes");
  expect_refused(ONE("\"F32\"", "[1.0]", "[0,4]"), 4, "something else than sizes");
  expect_refused(ONE("\"F32\"", "[2]", "[0,4]"), 4, "need 8 bytes");
  expect_refused(ONE("\"F32\"", "[4294967296,4294967296]", "[0,0]"), 0, "too large");
  expect_refused(ONE("\"F4\"", "[3]", "[0,1]"), 1, "whole byte");
  expect_refused(ONE("\"F32\"", "[1]", "[0]"), 4, "data_offsets");
  expect_refused(ONE("\"F32\"", "[1]", "[0,4,8]"), 4, "data_offsets");
  expect_refused(ONE("\"F32\"", "[1]", "[4,0]"), 4, "data_offsets");
  expect_refused(ONE("\"F32\"", "[1]", "[-4,0]"), 4, "data_offsets");
  expect_refused(ONE("\"F32\"", "[1]", "[0,4]"), 3, "past the file's end");
  expect_refused(ONE("\"F32\"", "[1]", "[0,4]"), 5, "there are 5");
  expect_refused(ONE("\"F32\"", "[1]", "[1,5]"), 5, "a gap");
  expect_refused("{\"a\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]},"
                 "\"b\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[2,5]}}",
                 5, "tensor 'b': its bytes overlap");
#undef ONE
}

static void refuses_deep_nesting_and_false_lengths(void **state) {
  (void)state;
  char *deep = test_calloc(200001, 1);
  memset(deep, '[', 200000);
  expect_refused(deep, 0, "JSON");
  test_free(deep);
  made m = make("{}", 0);
  for (size_t n = 0; n < m.size; n++) {
    assert_null(wk_safetensors_parse(m.bytes, n));
    assert_error(WK_ERROR_FORMAT);
  }
  memset(m.bytes, 0xff, 8);
  assert_null(wk_safetensors_parse(m.bytes, m.size));
  assert_error_says(WK_ERROR_FORMAT, "claims 18446744073709551615 bytes");
  test_free(m.bytes);
}

/* ---- files ---- */

static const float floats[3] = {1.5f, -2, 3e-30f};
static const int64_t longs[2] = {-1, INT64_MAX};
static const uint8_t bools[5] = {1, 0, 1, 1, 0};

static bool save(void *path) {
  WK_SCOPE;
  wk_safetensors_writer *writer = wk_safetensors_writer_create();
  wk_safetensors_writer_add(writer, "flags",
                            wk_tensor_from_data(WK_SHAPE(5), WK_BOOL, bools, NULL));
  wk_safetensors_writer_add(writer, "weight \"ü\"",
                            wk_tensor_from_data(WK_SHAPE(3, 1), WK_F32, floats, NULL));
  wk_safetensors_writer_add(writer, "steps", wk_tensor_from_data(WK_SHAPE(2), WK_I64, longs, NULL));
  wk_safetensors_writer_add(writer, "none", wk_tensor_from_data(WK_SHAPE(0, 9), WK_F32, "", NULL));
  wk_safetensors_writer_set(writer, "about", "one\ntwo");
  const bool good = wk_safetensors_writer_save(writer, path) == WK_OK;
  wk_safetensors_writer_free(writer);
  return good;
}

static bool load(void *path) {
  WK_SCOPE;
  wk_safetensors *file = wk_safetensors_open(path);
  float values[3];
  wk_tensor *tensor = wk_safetensors_get(file, "weight \"ü\"", NULL);
  const bool good = tensor && wk_tensor_read(tensor, values, sizeof values) == WK_OK &&
                    memcmp(values, floats, sizeof values) == 0;
  wk_safetensors_free(file);
  return good;
}

static void round_trips(void **state) {
  (void)state;
  WK_SCOPE;
  char path[512];
  strcpy(path, temporary_path("model.safetensors"));
  assert_true(save(path));
  wk_safetensors *file = wk_safetensors_open(path);
  assert_no_error();
  assert_int_equal(wk_safetensors_count(file), 4);
  assert_string_equal(wk_safetensors_name(file, 0), "steps"); /* the largest elements first */
  assert_string_equal(wk_safetensors_name(file, 3), "flags");
  assert_null(wk_safetensors_name(file, 4));
  assert_string_equal(wk_safetensors_metadata(file, "about"), "one\ntwo");
  assert_null(wk_safetensors_metadata(file, "nothing"));
  assert_true(load(path));
  wk_tensor *none = wk_safetensors_get(file, "none", NULL);
  assert_int_equal(wk_tensor_dim(none, 1), 9);
  uint8_t flags[5];
  assert_int_equal(wk_tensor_read(wk_safetensors_get(file, "flags", NULL), flags, 5), WK_OK);
  assert_memory_equal(flags, bools, 5);
  assert_null(wk_safetensors_get(file, "nothing", NULL));
  assert_error(WK_ERROR_NOT_FOUND);
  wk_safetensors_free(file);
}

static void data_begins_aligned(void **state) {
  (void)state;
  void *bytes;
  size_t size;
  char path[512];
  strcpy(path, temporary_path("aligned.safetensors"));
  assert_true(save(path));
  assert_int_equal(wk_file_read(path, 0, &bytes, &size), WK_OK);
  const unsigned char *head = bytes;
  assert_int_equal((8 + head[0] + 256u * head[1]) % 64, 0);
  assert_int_equal(size, 8 + head[0] + 256u * head[1] + 16 + 12 + 5);
  wk_deallocate(bytes);
}

static void says_what_it_cannot_hold(void **state) {
  (void)state;
  WK_SCOPE;
  made m;
  wk_safetensors *file =
      parse("{\"tiny\":{\"dtype\":\"F8_E4M3\",\"shape\":[2],\"data_offsets\":[0,2]},"
            "\"flat\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[2,3]},"
            "\"odd\":{\"dtype\":\"BOOL\",\"shape\":[1],\"data_offsets\":[3,4]}}",
            4, &m);
  m.bytes[m.size - 1] = 7;
  assert_null(wk_safetensors_get(file, "tiny", NULL));
  assert_error_says(WK_ERROR_UNSUPPORTED, "F8_E4M3");
  assert_null(wk_safetensors_get(file, "flat", NULL));
  assert_error_says(WK_ERROR_UNSUPPORTED, "9 dimensions");
  assert_null(wk_safetensors_get(file, "odd", NULL));
  assert_error_says(WK_ERROR_FORMAT, "other than 0 and 1");
  wk_safetensors_free(file);
  test_free(m.bytes);
}

static void writer_checks_names(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *tensor = wk_tensor_from_data(WK_SCALAR, WK_F32, floats, NULL);
  wk_safetensors_writer *writer = wk_safetensors_writer_create();
  assert_int_equal(wk_safetensors_writer_add(writer, "a", tensor), WK_OK);
  wk_safetensors_writer_add(writer, "a", tensor);
  assert_error_says(WK_ERROR_ARGUMENT, "two tensors are called 'a'");
  wk_safetensors_writer_add(writer, "__metadata__", tensor);
  assert_error(WK_ERROR_ARGUMENT);
  wk_safetensors_writer_add(writer, "\xff", tensor);
  assert_error_says(WK_ERROR_ARGUMENT, "UTF-8");
  wk_safetensors_writer_set(writer, "key", "\xff");
  assert_error_says(WK_ERROR_ARGUMENT, "UTF-8");
  wk_safetensors_writer_save(writer, "/no/such/folder/file");
  assert_error(WK_ERROR_NOT_FOUND);
  wk_safetensors_writer_free(writer);
}

static void damaged_files_are_named(void **state) {
  (void)state;
  assert_null(wk_safetensors_open(temporary_file("empty.safetensors", "", 0)));
  assert_error_says(WK_ERROR_FORMAT, "empty.safetensors");
  assert_null(wk_safetensors_open(temporary_path("absent.safetensors")));
  assert_error_says(WK_ERROR_NOT_FOUND, "absent.safetensors");
  assert_null(wk_safetensors_open(temporary_folder()));
  assert_error(WK_ERROR_IO);
}

static void survives_without_memory(void **state) {
  (void)state;
  char path[512];
  strcpy(path, temporary_path("memory.safetensors"));
  assert_true(fail_each_allocation(save, path) >= 10);
  assert_true(fail_each_allocation(load, path) >= 3);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(accepts_good_headers),
      cmocka_unit_test(refuses_bad_headers),
      cmocka_unit_test(refuses_bad_entries),
      cmocka_unit_test(refuses_deep_nesting_and_false_lengths),
      cmocka_unit_test(round_trips),
      cmocka_unit_test(data_begins_aligned),
      cmocka_unit_test(says_what_it_cannot_hold),
      cmocka_unit_test(writer_checks_names),
      cmocka_unit_test(damaged_files_are_named),
      cmocka_unit_test(survives_without_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

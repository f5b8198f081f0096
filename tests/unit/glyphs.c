/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include "format/crc32c.h"

#include <wick/data.h>

enum { PIXELS = 28 * 28 };

static void read_image(wk_dataset *set, int64_t index, float *pixels, int64_t *label) {
  WK_SCOPE;
  wk_tensor *image = wk_dataset_get(set, index, label);
  assert_int_equal(wk_tensor_read(image, pixels, PIXELS * sizeof(float)), WK_OK);
}

static void has_the_promised_sizes(void **state) {
  (void)state;
  wk_dataset *training = wk_dataset_open("glyphs"), *test = wk_dataset_open("glyphs", .test = true);
  assert_no_error();
  assert_int_equal(wk_dataset_count(training), 10000);
  assert_int_equal(wk_dataset_count(test), 2000);
  const wk_shape shape = wk_dataset_shape(test);
  assert_int_equal(shape.rank, 3);
  assert_true(shape.dims[0] == 28 && shape.dims[1] == 28 && shape.dims[2] == 1);
  assert_int_equal(wk_dataset_dtype(test), WK_F32);
  assert_int_equal(wk_dataset_class_count(test), 10);
  assert_string_equal(wk_dataset_class_name(test, 7), "7");
  assert_null(wk_dataset_class_name(test, 10));
  char sources[8] = "x";
  assert_int_equal(wk_dataset_sources(test, sources, sizeof sources), 0);
  assert_string_equal(sources, "");
  int64_t seen[10] = {0};
  for (int64_t i = 0; i < 2000; i++) {
    WK_SCOPE;
    int64_t label;
    assert_non_null(wk_dataset_get(test, i, &label));
    seen[label]++;
  }
  for (int i = 0; i < 10; i++) assert_true(seen[i] > 140 && seen[i] < 260);
  wk_dataset_free(training);
  wk_dataset_free(test);
}

/* A glyph is a function of (seed, part, index): not of how many are made, nor by how many threads.
 */
static void each_glyph_stands_alone(void **state) {
  (void)state;
  wk_dataset *many = wk_dataset_open("glyphs", .seed = 5, .count = 500);
  const int threads = wk_thread_count();
  assert_int_equal(wk_set_thread_count(threads == 1 ? 2 : 1), WK_OK);
  wk_dataset *few = wk_dataset_open("glyphs", .seed = 5, .count = 70);
  assert_int_equal(wk_set_thread_count(threads), WK_OK);
  wk_dataset *other_seed = wk_dataset_open("glyphs", .seed = 6, .count = 70);
  wk_dataset *other_part = wk_dataset_open("glyphs", .seed = 5, .test = true, .count = 70);
  assert_no_error();
  assert_int_equal(wk_dataset_count(few), 70);
  for (int64_t i = 0; i < 70; i++) {
    float a[PIXELS], b[PIXELS];
    int64_t label, again;
    read_image(many, i, a, &label);
    read_image(few, i, b, &again);
    assert_int_equal(label, again);
    assert_memory_equal(a, b, sizeof a);
    for (int k = 0; k < PIXELS; k++) assert_true(a[k] >= 0 && a[k] <= 1);
    read_image(other_seed, i, b, &again);
    assert_memory_not_equal(a, b, sizeof a);
    read_image(other_part, i, b, &again);
    assert_memory_not_equal(a, b, sizeof a);
  }
  wk_dataset_free(many);
  wk_dataset_free(few);
  wk_dataset_free(other_seed);
  wk_dataset_free(other_part);
}

/* Results that people compare rest on these bytes; whoever changes them on purpose says so in the
 * change log. */
static void bytes_are_the_same_everywhere(void **state) {
  (void)state;
  uint8_t bytes[40 * (PIXELS + 1)];
  wk_dataset *set = wk_dataset_open("glyphs", .seed = 1, .count = 40);
  for (int64_t i = 0; i < 40; i++) {
    float pixels[PIXELS];
    int64_t label;
    read_image(set, i, pixels, &label);
    uint8_t *to = bytes + i * (PIXELS + 1);
    for (int k = 0; k < PIXELS; k++) to[k] = (uint8_t)(pixels[k] * 255 + 0.5f);
    to[PIXELS] = (uint8_t)label;
  }
  assert_int_equal(wk_crc32c(bytes, sizeof bytes), 0xb1bc16eb);
  wk_dataset_free(set);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(has_the_promised_sizes),
      cmocka_unit_test(each_glyph_stands_alone),
      cmocka_unit_test(bytes_are_the_same_everywhere),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "data/dataset.h"
#include "data/resize.h"
#include "data/shuffle.h"
#include "support/temporary.h"

#include <wick/format.h>

/* ---- IDX ---- */

static void write_idx(const char *folder, const char *part, uint32_t count, uint8_t first_label) {
  char name[256];
  uint8_t images[16 + 4 * 6] = {0, 0, 8, 3}, labels[8 + 4] = {0, 0, 8, 1};
  images[7] = labels[7] = (uint8_t)count;
  images[11] = 2, images[15] = 3;
  for (uint32_t i = 0; i < count * 6; i++) images[16 + i] = (uint8_t)(i * 10);
  for (uint32_t i = 0; i < count; i++) labels[8 + i] = (uint8_t)(first_label + i);
  snprintf(name, sizeof name, "%s/%s-images-idx3-ubyte", folder, part);
  temporary_file(name, images, 16 + count * 6);
  snprintf(name, sizeof name, "%s/%s-labels-idx1-ubyte", folder, part);
  temporary_file(name, labels, 8 + count);
}

static void reads_idx_files(void **state) {
  (void)state;
  WK_SCOPE;
  write_idx("idx", "train", 4, 2);
  write_idx("idx", "t10k", 2, 0);
  const char *path = temporary_path("idx");
  wk_dataset *set = wk_dataset_open("fashion-mnist", .path = path);
  wk_dataset *test = wk_dataset_open("fashion-mnist", .path = path, .test = true);
  assert_no_error();
  assert_int_equal(wk_dataset_count(set), 4);
  assert_int_equal(wk_dataset_count(test), 2);
  assert_string_equal(wk_dataset_class_name(set, 9), "Ankle boot");
  char sources[2048];
  assert_true(wk_dataset_sources(set, sources, sizeof sources) < sizeof sources);
  assert_non_null(strstr(sources, "idx/train-images-idx3-ubyte\n"));
  assert_non_null(strstr(sources, "idx/train-labels-idx1-ubyte"));
  int64_t label;
  float pixels[6];
  wk_tensor *image = wk_dataset_get(set, 3, &label);
  assert_int_equal(label, 5);
  assert_int_equal(wk_tensor_read(image, pixels, sizeof pixels), WK_OK);
  for (int i = 0; i < 6; i++) assert_true(pixels[i] == (float)(180 + 10 * i) * (float)(1.0 / 255));
  assert_null(wk_dataset_get(set, 4, &label));
  assert_error(WK_ERROR_INDEX);
  const wk_model_input *input = wk_dataset_input(set);
  assert_true(input->scale == 1.0 / 255 && input->class_count == 10);
  wk_dataset_free(set);
  wk_dataset_free(test);
}

static void idx_errors_say_what_and_where(void **state) {
  (void)state;
  assert_null(wk_dataset_open("mnist", .path = "/no/such/folder"));
  wk_error error = {.struct_size = sizeof error};
  assert_true(wk_error_take(&error));
  assert_int_equal(error.status, WK_ERROR_NOT_FOUND);
  assert_string_equal(error.op, "dataset_open");
  assert_non_null(strstr(error.file, "dataset.c"));
  assert_non_null(strstr(error.message, "/no/such/folder"));
  assert_non_null(strstr(error.hint, "WICK_DATA"));
  write_idx("bad-label", "train", 4, 8);
  assert_null(wk_dataset_open("mnist", .path = temporary_path("bad-label")));
  assert_error_says(WK_ERROR_FORMAT, "label 2 is 10");
  write_idx("unequal", "train", 3, 0);
  temporary_file("unequal/train-labels-idx1-ubyte", "\0\0\x08\1\0\0\0\2\0\0", 10);
  assert_null(wk_dataset_open("mnist", .path = temporary_path("unequal")));
  assert_error_says(WK_ERROR_FORMAT, "3 images, but 2 labels");
}

static void settings_are_checked(void **state) {
  (void)state;
  assert_null(wk_dataset_open(NULL));
  assert_error(WK_ERROR_ARGUMENT);
  assert_null(wk_dataset_open("glyphs", .channels = 2));
  assert_error_says(WK_ERROR_ARGUMENT, "channels is 2");
  assert_null(wk_dataset_open("glyphs", .count = -1));
  assert_error(WK_ERROR_ARGUMENT);
  assert_null(wk_dataset_open("glyphs", .test_fraction = 1));
  assert_error(WK_ERROR_ARGUMENT);
  assert_null(wk_dataset_open("no such set"));
  assert_error_says(WK_ERROR_NOT_FOUND, "fashion-mnist, mnist, glyphs");
  struct {
    wk_dataset_arguments known;
    int64_t added;
  } newer = {{.struct_size = sizeof newer, .name = "glyphs", .count = 1}, 0};
  wk_dataset *set = wk_dataset_open_at(WK_HERE, &newer.known);
  assert_non_null(set);
  wk_dataset_free(set);
  newer.added = 1;
  assert_null(wk_dataset_open_at(WK_HERE, &newer.known));
  assert_error(WK_ERROR_UNSUPPORTED);
}

static void labels_can_be_shuffled(void **state) {
  (void)state;
  wk_dataset *set = wk_dataset_open("glyphs", .seed = 3, .count = 400);
  wk_dataset *shuffled = wk_dataset_open("glyphs", .seed = 3, .count = 400, .shuffle_labels = true);
  int64_t counts[10] = {0}, equal = 0;
  for (int64_t i = 0; i < 400; i++) {
    WK_SCOPE;
    int64_t a, b;
    wk_dataset_get(set, i, &a);
    wk_dataset_get(shuffled, i, &b);
    counts[a]++, counts[b]--;
    equal += a == b;
  }
  for (int i = 0; i < 10; i++) assert_int_equal(counts[i], 0);
  assert_true(equal < 80); /* 40 are expected */
  wk_dataset_free(set);
  wk_dataset_free(shuffled);
}

/* ---- folders of PNG files ---- */

static void write_png(const char *name, int64_t height, int64_t width, int64_t channels,
                      uint8_t value) {
  WK_SCOPE;
  uint8_t *pixels = test_malloc((size_t)(height * width * channels));
  memset(pixels, value, (size_t)(height * width * channels));
  wk_tensor *image = wk_tensor_from_data(WK_SHAPE(height, width, channels), WK_U8, pixels, NULL);
  assert_int_equal(wk_png_save(image, temporary_path(name)), WK_OK);
  test_free(pixels);
}

/* Ten images of each class; an image's grey value says its class and number. */
static void write_classes(const char *folder) {
  for (int class = 0; class < 3; class ++)
    for (int i = 0; i < 10; i++) {
      char name[128];
      snprintf(name, sizeof name, "%s/class %c/%02d.png", folder, 'c' - class, i);
      write_png(name, 4, 4, 1, (uint8_t)(10 * (2 - class) + i));
    }
}

static int grey_value(wk_dataset *set, int64_t index, int64_t *label) {
  WK_SCOPE;
  float pixels[16];
  assert_int_equal(wk_tensor_read(wk_dataset_get(set, index, label), pixels, sizeof pixels), WK_OK);
  return (int)(pixels[0] * 255 + 0.5f);
}

static void splits_a_folder(void **state) {
  (void)state;
  write_classes("split");
  temporary_file("split/notes.txt", "no class", 8);
  temporary_file("split/class a/notes.txt", "no image", 8);
  char path[512];
  strcpy(path, temporary_path("split"));
  wk_dataset *training = wk_dataset_open(path, .seed = 1);
  wk_dataset *test = wk_dataset_open(path, .seed = 1, .test = true);
  wk_dataset *other = wk_dataset_open(path, .seed = 2, .test = true, .test_fraction = 0.5);
  assert_no_error();
  assert_int_equal(wk_dataset_count(training), 24);
  assert_int_equal(wk_dataset_count(test), 6);
  assert_int_equal(wk_dataset_count(other), 15);
  assert_int_equal(wk_dataset_class_count(test), 3);
  assert_string_equal(wk_dataset_class_name(test, 0), "class a");
  bool seen[30] = {false};
  for (int part = 0; part < 2; part++) {
    wk_dataset *set = part ? test : training;
    for (int64_t i = 0; i < wk_dataset_count(set); i++) {
      int64_t label;
      const int value = grey_value(set, i, &label);
      assert_int_equal(label, value / 10);
      assert_int_equal(label, i % 3); /* the classes take turns */
      assert_false(seen[value]);
      seen[value] = true;
    }
  }
  wk_dataset_free(training);
  wk_dataset_free(test);
  wk_dataset_free(other);
}

static void takes_parts_and_sizes_as_they_are(void **state) {
  (void)state;
  write_png("parts/train/dog/1.png", 8, 6, 3, 40);
  write_png("parts/train/cat/1.PNG", 4, 6, 3, 50);
  write_png("parts/test/dog/2.png", 16, 2, 1, 60);
  char path[512];
  strcpy(path, temporary_path("parts"));
  wk_dataset *training = wk_dataset_open(path), *test = wk_dataset_open(path, .test = true);
  wk_dataset *grey = wk_dataset_open(path, .height = 5, .width = 5, .channels = 1);
  assert_no_error();
  assert_int_equal(wk_dataset_count(training), 2);
  assert_int_equal(wk_dataset_count(test), 1);
  const wk_shape shape = wk_dataset_shape(test), small = wk_dataset_shape(grey);
  assert_true(shape.dims[0] == 4 && shape.dims[1] == 6 && shape.dims[2] == 3);
  assert_true(small.dims[0] == 5 && small.dims[1] == 5 && small.dims[2] == 1);
  WK_SCOPE;
  int64_t label;
  float pixels[4 * 6 * 3];
  assert_int_equal(wk_tensor_read(wk_dataset_get(test, 0, &label), pixels, sizeof pixels), WK_OK);
  assert_int_equal(label, 1);
  for (int i = 0; i < 72; i++) assert_true(pixels[i] == 60 * (float)(1.0 / 255));
  wk_dataset_free(training);
  wk_dataset_free(test);
  wk_dataset_free(grey);
}

static void folder_errors_name_the_folder(void **state) {
  (void)state;
  temporary_file("no-classes/image.png", "", 0);
  assert_null(wk_dataset_open(temporary_path("no-classes")));
  assert_error_says(WK_ERROR_NOT_FOUND, "holds no folder for a class");
  write_png("empty-class/a/1.png", 1, 1, 1, 0);
  temporary_file("empty-class/b/readme", "", 0);
  assert_null(wk_dataset_open(temporary_path("empty-class")));
  assert_error_says(WK_ERROR_NOT_FOUND, "empty-class/b' holds no .png file");
  write_png("half/train/a/1.png", 1, 1, 1, 0);
  assert_null(wk_dataset_open(temporary_path("half")));
  assert_error_says(WK_ERROR_NOT_FOUND, "has train/, but no test/");
  write_png("strange/train/a/1.png", 1, 1, 1, 0);
  assert_null(wk_dataset_open(temporary_path("strange/train")));
  assert_error_says(WK_ERROR_NOT_FOUND, "only one class, 'a'");
  write_png("strange/train/b/1.png", 1, 1, 1, 0);
  write_png("strange/test/z/1.png", 1, 1, 1, 0);
  assert_null(wk_dataset_open(temporary_path("strange"), .test = true));
  assert_error_says(WK_ERROR_NOT_FOUND, "class 'z'");
  write_png("damaged/a/1.png", 1, 1, 1, 0);
  write_png("damaged/b/1.png", 1, 1, 1, 0);
  temporary_file("damaged/a/2.png", "no image", 8);
  assert_null(wk_dataset_open(temporary_path("damaged")));
  assert_error_says(WK_ERROR_FORMAT, "damaged/a/2.png");
}

/* ---- one image as a network expects it ---- */

static void loads_an_image_like_the_set(void **state) {
  (void)state;
  WK_SCOPE;
  float from_set[16], from_file[16];
  write_classes("single");
  char file[512];
  strcpy(file, temporary_path("single/class a/00.png"));
  wk_dataset *set = wk_dataset_open(temporary_path("single"), .seed = 4);
  const wk_model_input *input = wk_dataset_input(set);
  wk_tensor *image = wk_model_input_load_image(input, file);
  assert_no_error();
  assert_int_equal(wk_tensor_rank(image), 4);
  assert_int_equal(wk_tensor_dim(image, 0), 1);
  assert_int_equal(wk_tensor_read(image, from_file, sizeof from_file), WK_OK);
  assert_true(from_file[0] == 0);
  strcpy(file, temporary_path("single/class b/05.png"));
  wk_tensor_read(wk_model_input_load_image(input, file), from_file, sizeof from_file);
  for (int64_t i = 0, label; i < wk_dataset_count(set); i++)
    if (grey_value(set, i, &label) == 15) {
      wk_tensor_read(wk_dataset_get(set, i, NULL), from_set, sizeof from_set);
      assert_memory_equal(from_set, from_file, sizeof from_set);
    }
  wk_model_input normalised = {0};
  assert_int_equal(wk_model_input_copy(&normalised, input), WK_OK);
  normalised.shape.dims[2] = 3;
  normalised.mean[1] = 0.5;
  normalised.deviation[2] = 0.25;
  float colours[48];
  wk_tensor_read(wk_model_input_load_image(&normalised, file), colours, sizeof colours);
  const float plain = 15 * (float)(1.0 / 255);
  assert_true(colours[0] == plain && colours[1] == plain - 0.5f && colours[47] == plain / 0.25f);
  wk_model_input_clear(&normalised);
  wk_dataset_free(set);
}

static void input_survives_json(void **state) {
  (void)state;
  char *names[] = {"one", "zwölf"};
  const wk_model_input input = {.dtype = WK_F32,
                                .shape = {3, {28, 30, 3}},
                                .scale = 1.0 / 255,
                                .mean = {0.1, 0.2, 0.3},
                                .deviation = {1, 2, 1.0 / 3, 1},
                                .class_names = names,
                                .class_count = 2};
  wk_model_input again;
  json_t *json = wk_model_input_to_json(&input);
  assert_non_null(json);
  char *text = json_dumps(json, 0);
  json_decref(json);
  json = json_loads(text, 0, NULL);
  free(text);
  assert_int_equal(wk_model_input_from_json(&again, json), WK_OK);
  assert_int_equal(again.dtype, WK_F32);
  assert_memory_equal(&again.shape, &input.shape, sizeof input.shape);
  assert_true(again.scale == input.scale && again.mean[2] == 0.3 && again.deviation[2] == 1.0 / 3);
  assert_string_equal(again.class_names[1], "zwölf");
  wk_model_input_clear(&again);
  json_object_set_new(json, "deviation", json_pack("[f, f, f]", 1.0, 0.0, 1.0));
  assert_int_equal(wk_model_input_from_json(&again, json), WK_ERROR_FORMAT);
  assert_error_says(WK_ERROR_FORMAT, "deviation");
  json_decref(json);
  assert_int_equal(wk_model_input_from_json(&again, NULL), WK_ERROR_FORMAT);
  assert_error(WK_ERROR_FORMAT);
}

/* ---- resizing and permutations ---- */

static void resizes_between_centres(void **state) {
  (void)state;
  uint8_t pair[2] = {0, 100}, four[4], one[1], rgb[3] = {255, 0, 0}, grey[1];
  const wk_image image = {1, 2, 1, pair}, colour = {1, 1, 3, rgb};
  assert_int_equal(wk_image_fit(&image, 1, 4, 1, four), WK_OK);
  assert_memory_equal(four, ((uint8_t[]){0, 25, 75, 100}), 4);
  assert_int_equal(wk_image_fit(&image, 1, 1, 1, one), WK_OK);
  assert_int_equal(one[0], 50);
  assert_int_equal(wk_image_fit(&colour, 1, 1, 1, grey), WK_OK);
  assert_int_equal(grey[0], 76);
  uint8_t wide[12];
  assert_int_equal(wk_image_fit(&image, 2, 2, 3, wide), WK_OK);
  assert_memory_equal(wide, ((uint8_t[]){0, 0, 0, 100, 100, 100, 0, 0, 0, 100, 100, 100}), 12);
}

static void permutations_are_complete_and_fair(void **state) {
  (void)state;
  int64_t order[5], hits[5][5] = {{0}};
  for (uint64_t seed = 0; seed < 2000; seed++) {
    wk_permutation(seed, 9, 5, order);
    int sum = 0;
    for (int i = 0; i < 5; i++) {
      sum |= 1 << order[i];
      hits[i][order[i]]++;
    }
    assert_int_equal(sum, 31);
  }
  for (int i = 0; i < 25; i++) assert_in_range(hits[i / 5][i % 5], 320, 480); /* 400 +- 4.5 sigma */
}

/* ---- sets of tensors ---- */

static void walks_tensors(void **state) {
  (void)state;
  WK_SCOPE;
  const int32_t values[6] = {1, 2, 3, 4, 5, 6};
  const int64_t labels[3] = {7, -8, 9};
  wk_tensor *inputs = wk_tensor_from_data(WK_SHAPE(3, 2), WK_I32, values, NULL);
  wk_tensor *targets = wk_tensor_from_data(WK_SHAPE(3), WK_I64, labels, NULL);
  wk_dataset *set = wk_dataset_from_tensors(inputs, targets);
  assert_no_error();
  assert_int_equal(wk_dataset_count(set), 3);
  assert_int_equal(wk_dataset_dtype(set), WK_I32);
  assert_int_equal(wk_dataset_class_count(set), 0);
  int64_t label;
  int32_t row[2];
  wk_tensor_read(wk_dataset_get(set, 1, &label), row, sizeof row);
  assert_true(label == -8 && row[0] == 3 && row[1] == 4);
  wk_dataset_free(set);
  assert_null(wk_dataset_from_tensors(inputs, inputs));
  assert_error(WK_ERROR_DTYPE);
  assert_null(
      wk_dataset_from_tensors(wk_tensor_from_data(WK_SHAPE(2), WK_I32, values, NULL), targets));
  assert_error(WK_ERROR_SHAPE);
}

static bool open_folder(void *path) {
  WK_SCOPE;
  wk_dataset *set = wk_dataset_open(path, .height = 3, .channels = 3);
  const bool good = wk_dataset_get(set, 0, NULL) != NULL;
  wk_dataset_free(set);
  return good;
}

static void survives_without_memory(void **state) {
  (void)state;
  write_png("memory/a/1.png", 2, 2, 1, 1);
  write_png("memory/b/1.png", 2, 2, 1, 2);
  char path[512];
  strcpy(path, temporary_path("memory"));
  assert_true(fail_each_allocation(open_folder, path) >= 20);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(reads_idx_files),
      cmocka_unit_test(idx_errors_say_what_and_where),
      cmocka_unit_test(settings_are_checked),
      cmocka_unit_test(labels_can_be_shuffled),
      cmocka_unit_test(splits_a_folder),
      cmocka_unit_test(takes_parts_and_sizes_as_they_are),
      cmocka_unit_test(folder_errors_name_the_folder),
      cmocka_unit_test(loads_an_image_like_the_set),
      cmocka_unit_test(input_survives_json),
      cmocka_unit_test(resizes_between_centres),
      cmocka_unit_test(permutations_are_complete_and_fair),
      cmocka_unit_test(walks_tensors),
      cmocka_unit_test(survives_without_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

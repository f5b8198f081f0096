/* SPDX-License-Identifier: Apache-2.0 */

/* Folders of PNG files, one folder for each class. */

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "data/images.h"
#include "data/resize.h"
#include "data/shuffle.h"
#include "format/png.h"

typedef struct names {
  char **item;
  size_t count;
} names;

/* A file chosen for the set; `place` counts within its class. */
typedef struct choice {
  char *path;
  int64_t label, place;
} choice;

typedef struct choices {
  choice *item;
  size_t count, capacity;
} choices;

/* ---- listing ---- */

static void free_names(names *list) {
  wk_names_free(list->item, list->count);
  *list = (names){0};
}

static bool is_visible_folder(const char *parent, const char *name) {
  char *path = name[0] == '.' ? NULL : wk_path_join(parent, name);
  const bool result = path && wk_folder_exists(path);
  wk_deallocate(path);
  return result;
}

static bool is_png(const char *parent, const char *name) {
  (void)parent;
  const size_t length = strlen(name);
  return name[0] != '.' && length > 4 && strcasecmp(name + length - 4, ".png") == 0;
}

/* The sorted names in the folder that pass the test. */
static wk_status list_names(const char *folder, bool (*test)(const char *, const char *),
                            names *list) {
  const wk_status status = wk_folder_list(folder, &list->item, &list->count);
  if (status < 0) return status;
  size_t kept = 0;
  for (size_t i = 0; i < list->count; i++) {
    char *name = list->item[i];
    if (test(folder, name))
      list->item[kept++] = name;
    else
      wk_deallocate(name);
  }
  list->count = kept;
  return wk_error_status();
}

static wk_status list_classes(const char *folder, names *classes) {
  const wk_status status = list_names(folder, is_visible_folder, classes);
  if (status < 0 || classes->count > 0) return status;
  wk_fail(WK_ERROR_NOT_FOUND, "the folder '%s' holds no folder for a class", folder);
  wk_error_add_hint("put the PNG files of each class into a folder named after it");
  return wk_error_status();
}

static wk_status list_images(const char *folder, names *images) {
  const wk_status status = list_names(folder, is_png, images);
  if (status < 0 || images->count > 0) return status;
  wk_fail(WK_ERROR_NOT_FOUND, "the class folder '%s' holds no .png file", folder);
  wk_error_add_hint("put PNG files there, or take the folder away if it is no class");
  return WK_ERROR_NOT_FOUND;
}

/* ---- choosing ---- */

static wk_status choose(choices *list, const char *folder, const char *name, int64_t label,
                        int64_t place) {
  if (!wk_grow(&list->item, &list->capacity, list->count, sizeof(choice))) return wk_error_status();
  char *path = wk_path_join(folder, name);
  if (!path) return wk_error_status();
  list->item[list->count++] = (choice){path, label, place};
  return WK_OK;
}

/* Marks which of a class's images are for testing: a share of at least one, and never all. */
static bool *mark_tests(const wk_dataset_arguments *arguments, int64_t label, size_t count) {
  bool *marks = wk_allocate_zeroed(count, sizeof(bool));
  int64_t *order = marks ? wk_allocate_zeroed(count, sizeof(int64_t)) : NULL;
  if (!order) {
    wk_deallocate(marks);
    return NULL;
  }
  const double fraction = arguments->test_fraction > 0 ? arguments->test_fraction : 0.2;
  size_t tests = (size_t)((double)count * fraction + 0.5);
  if (tests == 0) tests = 1;
  if (tests >= count) tests = count - 1;
  wk_permutation(arguments->seed, WK_STREAM_SPLIT + (uint64_t)label, (int64_t)count, order);
  for (size_t i = 0; i < tests; i++) marks[order[i]] = true;
  wk_deallocate(order);
  return marks;
}

/* Chooses from one class's folder: all images, or, of a folder to be split, the part's. */
static wk_status choose_class(const wk_dataset_arguments *arguments, const char *folder,
                              int64_t label, bool split, choices *list) {
  names images = {0};
  wk_status status = list_images(folder, &images);
  bool *marks = NULL;
  if (status == WK_OK && split) {
    marks = mark_tests(arguments, label, images.count);
    status = wk_error_status();
  }
  int64_t place = 0;
  for (size_t i = 0; status == WK_OK && i < images.count; i++)
    if (!split || marks[i] == arguments->test)
      status = choose(list, folder, images.item[i], label, place++);
  wk_deallocate(marks);
  free_names(&images);
  return status;
}

static int64_t find_class(const names *classes, const char *name) {
  for (size_t i = 0; i < classes->count; i++)
    if (strcmp(classes->item[i], name) == 0) return (int64_t)i;
  return -1;
}

/* The class folders in `folder` are some of `classes`. */
static wk_status choose_classes(const wk_dataset_arguments *arguments, const char *folder,
                                const names *classes, bool split, choices *list) {
  names present = {0};
  wk_status status = list_classes(folder, &present);
  for (size_t i = 0; status == WK_OK && i < present.count; i++) {
    const int64_t label = find_class(classes, present.item[i]);
    if (label < 0) {
      status = wk_fail(WK_ERROR_NOT_FOUND, "'%s' has a class '%s' that the training part lacks",
                       folder, present.item[i]);
      break;
    }
    char *path = wk_path_join(folder, present.item[i]);
    status = path ? choose_class(arguments, path, label, split, list) : wk_error_status();
    wk_deallocate(path);
  }
  free_names(&present);
  return status;
}

/* One of each class in turn, so that the first so many examples are of all classes. */
static int compare_choices(const void *a, const void *b) {
  const choice *x = a, *y = b;
  if (x->place != y->place) return x->place < y->place ? -1 : 1;
  return x->label < y->label ? -1 : x->label > y->label;
}

/* ---- reading ---- */

/* The size that all images get: the one asked for, otherwise the first training image's, for both
 * parts. */
static wk_status find_size(const wk_dataset_arguments *arguments, const char *folder,
                           const names *classes, wk_image *size) {
  *size = (wk_image){arguments->height, arguments->width, arguments->channels, NULL};
  if (size->height > 0 && size->width > 0 && size->channels > 0) return WK_OK;
  names files = {0};
  wk_image first = {0};
  char *class_folder = wk_path_join(folder, classes->item[0]), *path = NULL;
  wk_status status = class_folder ? list_images(class_folder, &files) : wk_error_status();
  if (status == WK_OK) path = wk_path_join(class_folder, files.item[0]);
  status = path ? wk_png_read(path, &first) : wk_error_status();
  if (size->height == 0) size->height = first.height;
  if (size->width == 0) size->width = first.width;
  if (size->channels == 0) size->channels = first.channels >= 3 ? 3 : 1;
  wk_deallocate(first.bytes);
  wk_deallocate(path);
  wk_deallocate(class_folder);
  free_names(&files);
  return status;
}

static wk_status read_images(const choices *list, const wk_image *size, wk_images *images) {
  wk_status status =
      wk_images_allocate(images, (int64_t)list->count, size->height, size->width, size->channels);
  const size_t pixels = (size_t)wk_images_pixel_count(images);
  for (size_t i = 0; status == WK_OK && i < list->count; i++) {
    wk_image image;
    status = wk_png_read(list->item[i].path, &image);
    if (status < 0) break;
    status =
        wk_image_fit(&image, size->height, size->width, size->channels, images->bytes + i * pixels);
    wk_deallocate(image.bytes);
    images->labels[i] = list->item[i].label;
    if (status == WK_OK)
      status = wk_text_append(&images->sources, "%s%s", i > 0 ? "\n" : "", list->item[i].path);
  }
  return status;
}

static wk_status fail_one_class(const char *folder, const char *name) {
  wk_fail(WK_ERROR_NOT_FOUND,
          "the folder '%s' holds only one class, '%s': there is nothing to tell "
          "it from",
          folder, name);
  wk_error_add_hint("name the folder that holds a folder for each class");
  return WK_ERROR_NOT_FOUND;
}

/* `train` is where the classes are named; `part` is where this part's images are, all of them or,
 * to be split, mixed with the other part's. */
static wk_status read_part(const wk_dataset_arguments *arguments, const char *train,
                           const char *part, bool split, wk_images *images) {
  names classes = {0};
  choices list = {0};
  wk_image size;
  wk_status status = list_classes(train, &classes);
  if (status == WK_OK && classes.count == 1) status = fail_one_class(train, classes.item[0]);
  if (status == WK_OK) status = find_size(arguments, train, &classes, &size);
  if (status == WK_OK) status = choose_classes(arguments, part, &classes, split, &list);
  if (status == WK_OK && list.count == 0)
    status = wk_fail(WK_ERROR_NOT_FOUND, "'%s' has too few images for a %s part", arguments->name,
                     arguments->test ? "test" : "training");
  if (status == WK_OK) {
    qsort(list.item, list.count, sizeof(choice), compare_choices);
    choices first = list;
    if (arguments->count > 0 && (uint64_t)arguments->count < first.count)
      first.count = (size_t)arguments->count;
    status = read_images(&first, &size, images);
  }
  if (status == WK_OK)
    status = wk_images_name_classes(images, (const char *const *)classes.item, classes.count);
  for (size_t i = 0; i < list.count; i++) wk_deallocate(list.item[i].path);
  wk_deallocate(list.item);
  free_names(&classes);
  return status;
}

wk_status wk_images_read_folder(const wk_dataset_arguments *arguments, wk_images *images) {
  const char *root = arguments->name;
  char *train = wk_path_join(root, "train"), *test = wk_path_join(root, "test");
  const bool has_train = train && wk_folder_exists(train);
  const bool has_test = test && wk_folder_exists(test);
  wk_status status = wk_error_status();
  if (status == WK_OK && has_train != has_test)
    status = wk_fail(WK_ERROR_NOT_FOUND, "the folder '%s' has %s/, but no %s/", root,
                     has_train ? "train" : "test", has_train ? "test" : "train");
  else if (status == WK_OK && has_train)
    status = read_part(arguments, train, arguments->test ? test : train, false, images);
  else if (status == WK_OK)
    status = read_part(arguments, root, root, true, images);
  wk_deallocate(train);
  wk_deallocate(test);
  if (status < 0) wk_images_clear(images);
  return status;
}

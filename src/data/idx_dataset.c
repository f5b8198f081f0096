/* SPDX-License-Identifier: Apache-2.0 */

/* The sets that come as four IDX files: MNIST and those made in its image. */

#include <string.h>

#include "base/environment.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "data/images.h"
#include "format/idx.h"

enum { CLASSES = 10 };

typedef struct record {
  const char *name;
  const char *classes[CLASSES];
  const char *hint;
} record;

static const record records[] = {
    {"fashion-mnist",
     {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag",
      "Ankle boot"},
     "install it with `apt-get install dataset-fashion-mnist`, or set WICK_DATA to the folder that "
     "holds its four files"},
    {"mnist",
     {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"},
     "set WICK_DATA to the folder that holds its four files"},
};

static const record *find_record(const char *name) {
  for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++)
    if (strcmp(records[i].name, name) == 0) return &records[i];
  return NULL;
}

/* ---- finding the files ---- */

/* Where systems keep data sets, each in a folder of its name. */
static const char *const system_folders[] = {"/usr/share/datasets", "/usr/local/share/datasets"};
enum {
  SYSTEM_FOLDERS = sizeof(system_folders) / sizeof(system_folders[0]),
  PLACES = SYSTEM_FOLDERS + 2
};

typedef struct places {
  char *folder[PLACES];
  size_t count;
} places;

static void add_place(places *list, char *folder) {
  if (folder) list->folder[list->count++] = folder;
}

/* Folders to look in, first to last. A folder of the set's own name comes before the one around it,
 * since all these sets call their files the same. */
static wk_status list_places(const wk_dataset_arguments *arguments, const char *name,
                             places *list) {
  const char *data = wk_variable_get(WK_VARIABLE_DATA);
  memset(list, 0, sizeof(*list));
  if (arguments->path) {
    add_place(list, wk_duplicate_string(arguments->path));
    return wk_error_status();
  }
  if (data[0] != '\0') {
    add_place(list, wk_path_join(data, name));
    add_place(list, wk_duplicate_string(data));
  }
  for (size_t i = 0; i < SYSTEM_FOLDERS; i++)
    add_place(list, wk_path_join(system_folders[i], name));
  return wk_error_status();
}

static void free_places(places *list) {
  for (size_t i = 0; i < list->count; i++) wk_deallocate(list->folder[i]);
}

/* The path of the file in the folder, plain or gzipped; NULL, with no error pending, if there is
 * neither. */
static char *find_file(const char *folder, const char *name) {
  char *plain = wk_path_join(folder, name);
  if (!plain || wk_file_exists(plain)) return plain;
  wk_text zipped = {0};
  wk_text_append(&zipped, "%s.gz", plain);
  wk_deallocate(plain);
  if (zipped.data && wk_file_exists(zipped.data)) return zipped.data;
  wk_text_free(&zipped);
  return NULL;
}

static wk_status not_found(const record *set, const places *list, const char *file) {
  wk_text where = {0};
  for (size_t i = 0; i < list->count; i++)
    wk_text_append(&where, "%s%s", i > 0 ? ", " : "", list->folder[i]);
  const wk_status status = wk_fail(WK_ERROR_NOT_FOUND, "%s: found no file %s or %s.gz in %s",
                                   set->name, file, file, where.data ? where.data : "");
  wk_error_add_hint("%s", set->hint);
  wk_text_free(&where);
  return status;
}

/* Loads a part's file from the first place that has it and notes its path. */
static wk_status load(const record *set, const places *list, const char *file, wk_idx *idx,
                      wk_images *images) {
  char *path = NULL;
  for (size_t i = 0; i < list->count && !path && !wk_failed(); i++)
    path = find_file(list->folder[i], file);
  if (!path) return wk_failed() ? wk_error_status() : not_found(set, list, file);
  wk_status status = wk_idx_load(path, idx);
  if (status == WK_OK)
    status = wk_text_append(&images->sources, "%s%s", images->sources.length > 0 ? "\n" : "", path);
  wk_deallocate(path);
  return status;
}

/* ---- reading them ---- */

static wk_status check(const wk_idx *pixels, const wk_idx *labels, const char *sources) {
  const wk_shape *shape = &pixels->shape;
  if (shape->rank != 3 || labels->shape.rank != 1)
    return wk_fail(WK_ERROR_FORMAT,
                   "images need 3 dimensions and labels 1, but have %d and %d (%s)", shape->rank,
                   labels->shape.rank, sources);
  if (shape->dims[0] != labels->shape.dims[0])
    return wk_fail(WK_ERROR_FORMAT, "there are %lld images, but %lld labels (%s)",
                   (long long)shape->dims[0], (long long)labels->shape.dims[0], sources);
  if (shape->dims[0] == 0 || shape->dims[1] == 0 || shape->dims[2] == 0 || shape->dims[1] > 65535 ||
      shape->dims[2] > 65535)
    return wk_fail(WK_ERROR_FORMAT, "%lld images of %lldx%lld (%s)", (long long)shape->dims[0],
                   (long long)shape->dims[1], (long long)shape->dims[2], sources);
  for (int64_t i = 0; i < labels->shape.dims[0]; i++)
    if (labels->values[i] >= CLASSES)
      return wk_fail(WK_ERROR_FORMAT, "label %lld is %d, but there are %d classes (%s)",
                     (long long)i, labels->values[i], CLASSES, sources);
  return WK_OK;
}

static wk_status copy(const wk_idx *pixels, const wk_idx *labels, int64_t most, wk_images *images) {
  const wk_shape *shape = &pixels->shape;
  const int64_t count = most > 0 && most < shape->dims[0] ? most : shape->dims[0];
  const wk_status status = wk_images_allocate(images, count, shape->dims[1], shape->dims[2], 1);
  if (status < 0) return status;
  memcpy(images->bytes, pixels->values, (size_t)(count * wk_images_pixel_count(images)));
  for (int64_t i = 0; i < count; i++) images->labels[i] = labels->values[i];
  return WK_OK;
}

wk_status wk_images_read_idx(const wk_dataset_arguments *arguments, wk_images *images) {
  const record *set = find_record(arguments->name);
  wk_idx pixels = {0}, labels = {0};
  places list;
  wk_status status = list_places(arguments, set->name, &list);
  if (status == WK_OK)
    status =
        load(set, &list, arguments->test ? "t10k-images-idx3-ubyte" : "train-images-idx3-ubyte",
             &pixels, images);
  if (status == WK_OK)
    status =
        load(set, &list, arguments->test ? "t10k-labels-idx1-ubyte" : "train-labels-idx1-ubyte",
             &labels, images);
  if (status == WK_OK) status = check(&pixels, &labels, images->sources.data);
  if (status == WK_OK) status = copy(&pixels, &labels, arguments->count, images);
  if (status == WK_OK) status = wk_images_name_classes(images, set->classes, CLASSES);
  wk_idx_clear(&pixels);
  wk_idx_clear(&labels);
  free_places(&list);
  if (status < 0) wk_images_clear(images);
  return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* export_images DATA train|test COUNT FOLDER: writes the first COUNT images of a data set as
 * FOLDER/<class name>/<index>.png, which `wick predict` and `wick train FOLDER` read again. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <wick/wick.h>

/* Class names such as "T-shirt/top" must not make folders of their own. */
static void write_path(char *path, size_t size, const char *folder, const char *class_name,
                       long index) {
  char name[128];
  snprintf(name, sizeof name, "%s", class_name ? class_name : "image");
  for (char *c = name; *c; c++)
    if (*c == '/') *c = '-';
  snprintf(path, size, "%s/%s", folder, name);
  if (mkdir(path, 0777) != 0 && errno != EEXIST) perror(path);
  snprintf(path, size, "%s/%s/%05ld.png", folder, name, index);
}

/* A f32 image in 0..1 as the u8 image that wk_png_save takes; NULL with an error pending. */
static wk_tensor *to_bytes(const wk_tensor *image) {
  const size_t count = (size_t)wk_tensor_count(image);
  float *values = calloc(count, sizeof *values);
  unsigned char *bytes = calloc(count, 1);
  wk_tensor *result = NULL;
  if (values && bytes && wk_tensor_read(image, values, count * sizeof *values) == WK_OK) {
    for (size_t i = 0; i < count; i++) bytes[i] = (unsigned char)(values[i] * 255.0f + 0.5f);
    result = wk_tensor_from_data(wk_tensor_shape(image), WK_U8, bytes, NULL);
  }
  free(values);
  free(bytes);
  return result;
}

static void export_image(wk_dataset *data, const char *folder, long index) {
  WK_SCOPE;
  int64_t label = 0;
  wk_tensor *image = wk_dataset_get(data, index, &label);
  if (!image) return;
  char path[4096];
  write_path(path, sizeof path, folder, wk_dataset_class_name(data, (size_t)label), index);
  wk_png_save(to_bytes(image), path);
}

int main(int argc, char **argv) {
  if (argc != 5) {
    fprintf(stderr, "usage: export_images DATA train|test COUNT FOLDER\n");
    return 2;
  }
  wk_dataset *data = wk_dataset_open(argv[1], .test = strcmp(argv[2], "test") == 0);
  const long count = strtol(argv[3], NULL, 10);
  for (long i = 0; i < count && wk_error_status() == WK_OK; i++) export_image(data, argv[4], i);
  wk_dataset_free(data);
  return wk_error_report(stderr);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/datasets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "nn/module.h"

wk_dataset *wk_open_part(const char *name, bool test, wk_shape shape) {
  const bool image = shape.rank == 3;
  return wk_dataset_open(name, .test = test, .height = image ? shape.dims[0] : 0,
                         .width = image ? shape.dims[1] : 0, .channels = image ? shape.dims[2] : 0);
}

static wk_status check_classes(const wk_module *network, const wk_dataset *dataset) {
  const size_t count = wk_dataset_class_count(dataset);
  if (count != wk_module_class_count(network))
    return wk_fail(WK_ERROR_ARGUMENT,
                   "the network tells %zu classes apart, but the data set has %zu",
                   wk_module_class_count(network), count);
  for (size_t i = 0; i < count; i++) {
    const char *ours = wk_module_class_name(network, i),
               *theirs = wk_dataset_class_name(dataset, i);
    if (strcmp(ours, theirs) != 0)
      return wk_fail(WK_ERROR_ARGUMENT,
                     "class %zu is '%s' to the network, but '%s' in the data set", i, ours, theirs);
  }
  return WK_OK;
}

wk_dataset *wk_open_test_for(const wk_module *network, const char *name) {
  if (wk_failed()) return NULL;
  wk_dataset *dataset = wk_open_part(name, true, wk_module_input(network)->shape);
  if (dataset && check_classes(network, dataset) == WK_OK) return dataset;
  wk_dataset_free(dataset);
  return NULL;
}

size_t wk_shape_text(wk_shape shape, char *buffer, size_t size) {
  size_t used = wk_print_into(buffer, size, 0, "%s", "");
  for (int i = 0; i < shape.rank; i++)
    used = wk_print_into(buffer, size, used, i ? "x%lld" : "%lld", (long long)shape.dims[i]);
  return used;
}

/* The sources as one string, freed with wk_deallocate; "" when there are none. */
static char *copy_sources(const wk_dataset *dataset) {
  const size_t length = wk_dataset_sources(dataset, NULL, 0);
  char *text = wk_allocate_zeroed(length + 1, 1);
  if (text) wk_dataset_sources(dataset, text, length + 1);
  return text;
}

static size_t count_lines(const char *text) {
  size_t count = *text != '\0';
  for (const char *c = text; *c; c++) count += *c == '\n' && c[1];
  return count;
}

void wk_print_sources(const wk_dataset *dataset) {
  enum { SHOWN = 4 };
  char *text = copy_sources(dataset);
  const size_t count = text ? count_lines(text) : 0;
  size_t i = 0;
  for (char *line = text; line && *line; i++) {
    char *end = line + strcspn(line, "\n");
    const bool last = !*end || !end[1];
    *end = '\0';
    if (count <= SHOWN || i == 0 || last)
      printf("read %s\n", line);
    else if (i == 1)
      printf("     ... %zu files ...\n", count - 2);
    line = last ? NULL : end + 1;
  }
  wk_deallocate(text);
}

json_t *wk_sources_to_json(const wk_dataset *dataset) {
  json_t *list = json_array();
  char *text = copy_sources(dataset), *rest = NULL;
  for (char *line = text ? strtok_r(text, "\n", &rest) : NULL; line;
       line = strtok_r(NULL, "\n", &rest))
    json_array_append_new(list, json_string(line));
  wk_deallocate(text);
  return list;
}

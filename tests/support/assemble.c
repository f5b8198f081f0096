/* SPDX-License-Identifier: Apache-2.0 */
#include "support/assemble.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "format/safetensors.h"

/* One tensor for the table, its bytes behind those of the others. False when they become many. */
static bool place_tensor(json_t *tensor, size_t *data_size) {
  static const size_t most = 1 << 16;
  json_t *item;
  size_t i, bytes = 1;
  const char *dtype = json_string_value(json_object_get(tensor, "dtype"));
  for (size_t t = 0; dtype && t < wk_safetensors_type_count; t++)
    if (strcmp(dtype, wk_safetensors_types[t].name) == 0) bytes = wk_safetensors_types[t].bits / 8;
  json_array_foreach(json_object_get(tensor, "shape"), i, item) {
    const json_int_t dim = json_integer_value(item);
    if (dim < 0 || (size_t)dim > most || (bytes *= (size_t)dim) > most) return false;
  }
  const size_t begin = *data_size;
  *data_size += bytes;
  if (*data_size > most) return false;
  json_t *offsets = json_pack("[I, I]", (json_int_t)begin, (json_int_t)*data_size);
  return json_object_set_new(tensor, "data_offsets", offsets) == 0;
}

/* A file with this table, the tensors' bytes zeros. Takes `table`. */
static uint8_t *assemble(json_t *table, size_t *size) {
  const char *name;
  json_t *tensor;
  size_t data_size = 0;
  bool good = true;
  json_object_foreach(table, name, tensor) {
    if (strcmp(name, "__metadata__") != 0) good = good && place_tensor(tensor, &data_size);
  }
  char *header = good ? json_dumps(table, JSON_COMPACT) : NULL;
  json_decref(table);
  if (!header) return NULL;
  const size_t header_size = strlen(header);
  *size = 8 + header_size + data_size;
  uint8_t *file = calloc(1, *size);
  if (file) {
    for (int i = 0; i < 8; i++) file[i] = (uint8_t)((uint64_t)header_size >> (8 * i));
    memcpy(file + 8, header, header_size);
  }
  free(header);
  return file;
}

uint8_t *assemble_safetensors(const char *key, const uint8_t *data, size_t size,
                              size_t *file_size) {
  const uint8_t *line_end = size > 0 ? memchr(data, '\n', size) : NULL;
  const size_t line = line_end ? (size_t)(line_end - data) : size;
  json_t *text = json_stringn((const char *)data, line);
  json_t *table =
      line_end ? json_loadb((const char *)line_end, size - line, JSON_REJECT_DUPLICATES, NULL)
               : json_object();
  if (text && json_is_object(table)) {
    json_object_set_new(table, "__metadata__", json_pack("{s:o}", key, text));
    return assemble(table, file_size);
  }
  json_decref(text);
  json_decref(table);
  return NULL;
}

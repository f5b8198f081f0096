/* SPDX-License-Identifier: Apache-2.0 */

/* The table that shows a network: layers, output sizes, parameter counts. */

#include <string.h>

#include "base/error.h"
#include "nn/module.h"

enum { NAME_WIDTH = 6, LAYER_WIDTH = 34, OUTPUT_WIDTH = 18, COUNT_WIDTH = 14 };

typedef struct page {
  char *buffer;
  size_t size, used;
} page;

static bool is_default(const wk_attribute *attribute, const void *settings) {
  const void *at = (const char *)settings + attribute->offset;
  const int64_t whole = (int64_t)attribute->range->usual;
  switch (attribute->type) {
  case WK_ATTRIBUTE_INT:
    return *(const int64_t *)at == whole;
  case WK_ATTRIBUTE_DOUBLE:
    return *(const double *)at == attribute->range->usual;
  case WK_ATTRIBUTE_BOOL:
    return !*(const bool *)at;
  case WK_ATTRIBUTE_PAIR:
    return ((const int64_t *)at)[0] == whole && ((const int64_t *)at)[1] == whole;
  case WK_ATTRIBUTE_ENUM:
    return *(const int *)at == 0;
  default:
    return false;
  }
}

/* "conv2d(32, 3, stride = [2, 2])": what was given, the positional ones without their names. */
static void describe_layer(const wk_module *module, char *text, size_t size) {
  size_t used = wk_print_into(text, size, 0, "%s", module->type_name);
  const wk_settings *settings = module->layer ? &module->layer->settings : NULL;
  bool open = false;
  for (int i = 0; settings && i < settings->count; i++) {
    const wk_attribute *attribute = &settings->attributes[i];
    if (!attribute->required && is_default(attribute, module->context)) continue;
    wk_text value = {0};
    if (wk_attribute_to_text(attribute, module->context, &value) == WK_OK)
      used = wk_print_into(text, size, used, "%s%s%s%s", open ? ", " : "(",
                           attribute->required ? "" : attribute->name,
                           attribute->required ? "" : " = ", value.data);
    wk_text_free(&value);
    open = true;
  }
  if (open) wk_print_into(text, size, used, ")");
}

static void describe_output(const wk_module *module, char *text, size_t size) {
  size_t used = wk_print_into(text, size, 0, "%s", module->state == WK_MODULE_BUILT ? "" : "?");
  for (int i = 0; i < module->output.rank; i++)
    used =
        wk_print_into(text, size, used, "%s%lld", i ? "x" : "", (long long)module->output.dims[i]);
}

static int64_t own_elements(const wk_module *module) {
  int64_t count = 0;
  for (size_t i = 0; i < module->parameter_count; i++)
    count += wk_tensor_count(module->parameters[i].tensor);
  return count;
}

static wk_status print_row(wk_module *module, void *context) {
  if (module->child_count > 0 && module->parameter_count == 0) return WK_OK; /* only a container */
  page *p = context;
  char layer[128], output[64], count[32];
  describe_layer(module, layer, sizeof layer);
  describe_output(module, output, sizeof output);
  wk_format_count(count, sizeof count, own_elements(module));
  const char *name = module->path + strlen("network");
  p->used = wk_print_into(p->buffer, p->size, p->used, "%-*s %-*s %*s %*s\n", NAME_WIDTH,
                          *name ? name + 1 : "", LAYER_WIDTH, layer, OUTPUT_WIDTH, output,
                          COUNT_WIDTH, count);
  return WK_OK;
}

static wk_status add_up(wk_module *module, void *context) {
  int64_t *totals = context; /* elements and bytes */
  for (size_t i = 0; i < module->parameter_count; i++) {
    const wk_tensor *tensor = module->parameters[i].tensor;
    totals[0] += wk_tensor_count(tensor);
    totals[1] += wk_tensor_count(tensor) * (int64_t)wk_dtype_size(wk_tensor_dtype(tensor));
  }
  return WK_OK;
}

size_t wk_module_summary(const wk_module *module, char *buffer, size_t size) {
  page p = {.buffer = buffer, .size = size};
  if (size) buffer[0] = '\0';
  if (!module) return 0;
  wk_module *top = (wk_module *)(uintptr_t)module; /* the walk's visitors only read it */
  p.used = wk_print_into(buffer, size, 0, "%-*s %-*s %*s %*s\n", NAME_WIDTH, "", LAYER_WIDTH,
                         "layer", OUTPUT_WIDTH, "output", COUNT_WIDTH, "parameters");
  wk_module_each(top, print_row, &p);
  int64_t totals[2] = {0, 0};
  char count[32], bytes[32];
  wk_module_each(top, add_up, totals);
  wk_format_count(count, sizeof count, totals[0]);
  wk_format_bytes(bytes, sizeof bytes, (uint64_t)totals[1]);
  return wk_print_into(buffer, size, p.used, "%s parameters, %s\n", count, bytes);
}

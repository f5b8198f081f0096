/* SPDX-License-Identifier: Apache-2.0 */

/* Settings of layers and optimizers as JSON, by the names of their attributes. */

#include <stdlib.h>

#include "base/error.h"
#include "nn/model_file.h"

json_t *wk_settings_to_json(const wk_settings *settings, const void *values) {
  json_t *object = json_object();
  for (int i = 0; i < settings->count; i++) {
    const wk_attribute *attribute = &settings->attributes[i];
    wk_text text = {0};
    json_t *value = NULL;
    if (wk_attribute_to_text(attribute, values, &text) == WK_OK)
      value = json_loads(text.data, JSON_DECODE_ANY, NULL);
    wk_text_free(&text);
    if (value && json_object_set_new(object, attribute->name, value) == 0) continue;
    json_decref(object);
    wk_fail(WK_ERROR_ARGUMENT, "the setting %s cannot be written as JSON", attribute->name);
    return NULL;
  }
  return object;
}

static wk_status read_one(const wk_attribute *attribute, const json_t *value, void *values) {
  char *text = json_dumps(value, JSON_ENCODE_ANY);
  const wk_status status = text ? wk_attribute_from_text(attribute, values, text)
                                : wk_fail(WK_ERROR_FORMAT, "a setting cannot be read");
  free(text); /* jansson's */
  return status;
}

wk_status wk_settings_from_json(const wk_settings *settings, const char *what, const json_t *json,
                                void *values) {
  if (!json_is_object(json))
    return wk_fail(WK_ERROR_FORMAT, "the settings of %s are no JSON object", what);
  const char *name;
  json_t *value;
  json_object_foreach((json_t *)(uintptr_t)json, name, value) {
    const wk_attribute *attribute = wk_settings_find(settings, name);
    if (!attribute)
      return wk_fail(WK_ERROR_UNSUPPORTED, "%s has a setting %s, which this version (%s) lacks",
                     what, name, wk_version());
    const wk_status status = read_one(attribute, value, values);
    if (status < 0) return status;
  }
  return WK_OK;
}

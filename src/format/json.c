/* SPDX-License-Identifier: Apache-2.0 */
#include "format/json.h"

#include <string.h>

#include "base/error.h"

/* jansson takes a zero byte behind the value for the end of the text, whatever follows. */
static bool holds_zero(const void *text, size_t size) {
  return size > 0 && memchr(text, '\0', size) != NULL;
}

json_t *wk_json_parse(const void *text, size_t size) {
  if (holds_zero(text, size)) {
    wk_fail(WK_ERROR_FORMAT, "no valid JSON: it holds a zero byte");
    return NULL;
  }
  json_error_t why;
  json_t *json = json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
  if (json) return json;
  if (json_error_code(&why) == json_error_out_of_memory)
    wk_fail(WK_ERROR_MEMORY, "no memory to read JSON text of %zu bytes", size);
  else
    wk_fail(WK_ERROR_FORMAT, "no valid JSON: %s at byte %d", why.text, why.position);
  return NULL;
}

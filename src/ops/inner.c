/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/inner.h"

#include "base/error.h"

void wk_inner_begin(wk_inner *inner, wk_place here) {
  *inner = (wk_inner){.here = here, .above = wk_place_above, .failed = wk_failed()};
  if (!wk_place_above) wk_place_above = &inner->here;
  inner->scope = wk_scope_open();
}

wk_status wk_inner_end(wk_inner *inner, const char *what, wk_tensor **results, size_t count) {
  wk_place_above = inner->above;
  for (size_t i = 0; i < count; i++) {
    if (wk_failed())
      results[i] = NULL;
    else
      wk_tensor_retain(results[i]);
  }
  wk_scope_close(&inner->scope);
  for (size_t i = 0; i < count; i++) results[i] = wk_scope_add(results[i]);
  for (size_t i = 0; wk_failed() && i < count; i++) results[i] = NULL;
  if (!inner->failed) wk_error_add_call(what, inner->here);
  return wk_error_status();
}

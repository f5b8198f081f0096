/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/extents.h"

_Thread_local wk_extents *wk_extents_taken;
_Thread_local wk_extents wk_extents_found;

wk_status wk_extents_ask(size_t *index, int64_t *value) {
  wk_extents *e = wk_extents_taken;
  if (!e || e->asked == WK_MOST_EXTENTS)
    return wk_fail(WK_ERROR_UNSUPPORTED,
                   "a compiled function has at most %d sizes that only its "
                   "run knows",
                   WK_MOST_EXTENTS);
  if (e->asked == e->count) e->values[e->count++] = 1;
  *index = e->asked++;
  *value = e->values[*index];
  return WK_OK;
}

wk_status wk_extents_check(size_t index, int64_t assumed, int64_t found) {
  if (found == assumed) return WK_OK;
  wk_extents_found.count = index + 1;
  wk_extents_found.values[index] = found;
  return wk_fail(WK_ERROR_STATE, "size %zu of the function's run is %lld, where its plan has %lld",
                 index, (long long)found, (long long)assumed);
}

bool wk_extents_agree(const wk_extents *a, const wk_extents *b) {
  for (size_t i = 0; i < a->count && i < b->count; i++)
    if (a->values[i] != b->values[i]) return false;
  return true;
}

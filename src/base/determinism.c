/* SPDX-License-Identifier: Apache-2.0 */
#include <stdatomic.h>
#include <string.h>

#include <wick/base.h>

#include "base/environment.h"
#include "base/error.h"

static const char *const names[] = {"default", "threads", "machine"};
enum { LEVELS = sizeof names / sizeof *names };

static atomic_int chosen = -1; /* until it is asked for */

const char *wk_determinism_name(wk_determinism level) {
  return (int)level >= 0 && (int)level < LEVELS ? names[level] : NULL;
}

/* The variable's; one that is misspelt must not pass for the loosest level. */
static int initial_level(void) {
  const char *name = wk_variable_get(WK_VARIABLE_DETERMINISM);
  for (int i = 0; i < LEVELS; i++)
    if (strcmp(name, names[i]) == 0) return i;
  return LEVELS - 1;
}

wk_determinism wk_determinism_get(void) {
  const int level = atomic_load_explicit(&chosen, memory_order_relaxed);
  if (level >= 0) return (wk_determinism)level;
  int expected = -1;
  const int first = initial_level();
  return (wk_determinism)(atomic_compare_exchange_strong(&chosen, &expected, first) ? first
                                                                                    : expected);
}

wk_status wk_determinism_set_at(wk_place here, wk_determinism level) {
  if (wk_failed()) return wk_error_pending;
  wk_status status = WK_OK;
  if (wk_determinism_name(level))
    atomic_store(&chosen, (int)level);
  else
    status = wk_fail(WK_ERROR_ARGUMENT, "%d is no level of determinism", (int)level);
  wk_error_add_call("determinism_set", here);
  return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_BASE_ENVIRONMENT_H
#define WICK_BASE_ENVIRONMENT_H

/* Every environment variable that Wick looks at. They are read together, once, at first need, so
 * that a program that changes its environment later changes nothing. */

#include <stdbool.h>

typedef enum wk_variable {
  WK_VARIABLE_THREADS,
  WK_VARIABLE_ALLOCATOR,
  WK_VARIABLE_DATA,
  WK_VARIABLE_DEBUG,
  WK_VARIABLE_ISA,
  WK_VARIABLE_ONEDNN,
  WK_VARIABLE_VERBOSE,
  WK_VARIABLE_DETERMINISM,
  WK_VARIABLE_PEERS,
  WK_VARIABLE_PASSES,
  WK_VARIABLE_RECOMPUTE,
  WK_VARIABLE_COUNT
} wk_variable;

typedef struct wk_variable_record {
  const char *name;     /* "WICK_THREADS" */
  const char *initial;  /* what holds when it is not set */
  const char *api_twin; /* what sets the same from a program */
  const char *doc;
} wk_variable_record;

extern const wk_variable_record wk_variable_table[WK_VARIABLE_COUNT];

/* Its value in the environment, or its initial one; never NULL. Lives until wk_shutdown.
 * [any thread] */
const char *wk_variable_get(wk_variable variable);

/* Whether WICK_DEBUG lists `topic`. [any thread] */
bool wk_debug_topic(const char *topic);

#endif

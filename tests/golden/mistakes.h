/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_TESTS_GOLDEN_MISTAKES_H
#define WICK_TESTS_GOLDEN_MISTAKES_H

/* Common mistakes, each a small function that leaves its error pending. */

#include <wick/wick.h>

typedef struct mistake {
  const char *name;
  void (*make)(void);
  const char *parts; /* what the message must name besides op, the user's file, line and function,
                        and remedy: M module path, S two shapes */
} mistake;

#define MISTAKE(name, parts)                                                                       \
  { #name, name, parts }

/* Each list ends with a NULL name. */
extern const mistake network_mistakes[], tensor_mistakes[], file_mistakes[], optimizer_mistakes[];

#endif

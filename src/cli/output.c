/* SPDX-License-Identifier: Apache-2.0 */

/* What commands print in the same way. */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <wick/base.h>

#include "cli/command.h"

void wk_print_json(json_t *json) {
  char *text = json ? json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
  if (text) printf("%s\n", text);
  fflush(stdout); /* a program may be reading along */
  free(text);     /* jansson's */
  json_decref(json);
}

json_t *wk_json_number(double value) { return isfinite(value) ? json_real(value) : json_null(); }

int wk_end_with_error(void) {
  fflush(stdout);
  return wk_error_report(stderr) ? WK_EXIT_FAILURE : WK_EXIT_OK;
}

/* ---- slips of the pen ---- */

/* Letters to insert, drop or change to make one word of the other (Levenshtein 1965). */
static size_t distance(const char *a, const char *b) {
  enum { LONGEST = 32 };
  const size_t columns = strlen(b);
  size_t row[LONGEST + 1];
  if (columns > LONGEST || strlen(a) > LONGEST) return LONGEST;
  for (size_t j = 0; j <= columns; j++) row[j] = j;
  for (size_t i = 0; a[i]; i++) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < columns; j++) {
      size_t least = diagonal + (a[i] != b[j]);
      if (row[j] + 1 < least) least = row[j] + 1;
      if (row[j + 1] + 1 < least) least = row[j + 1] + 1;
      diagonal = row[j + 1];
      row[j + 1] = least;
    }
  }
  return row[columns];
}

const char *wk_closest_name(const char *word, const char *const *names) {
  const char *best = NULL;
  size_t least = 3; /* farther away is another word */
  for (int i = 0; names[i]; i++) {
    const bool begins = strlen(word) >= 3 && strncmp(names[i], word, strlen(word)) == 0;
    const size_t d = begins ? 0 : distance(word, names[i]);
    if (d < least) best = names[i], least = d;
  }
  return best;
}

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_CLI_COMMAND_H
#define WICK_CLI_COMMAND_H

/* One file per command; src/cli/main.c lists them. */

#include <jansson.h>
#include <stdbool.h>

/* What the process ends with. */
enum { WK_EXIT_OK = 0, WK_EXIT_FAILURE = 1, WK_EXIT_USAGE = 2, WK_EXIT_INTERRUPTED = 130 };

typedef struct wk_command {
  const char *name;
  const char *summary;
  int (*run)(int argc, char **argv); /* argv[0] is the command's name */
} wk_command;

int wk_command_train(int argc, char **argv);
int wk_command_eval(int argc, char **argv);
int wk_command_predict(int argc, char **argv);
int wk_command_inspect(int argc, char **argv);
int wk_command_info(int argc, char **argv);
int wk_command_bench(int argc, char **argv);

/* Of `names` (ending in NULL) the one that `word` was probably meant to be, or NULL. */
const char *wk_closest_name(const char *word, const char *const *names);

/* Prints a JSON value as one line on standard output, and lets go of it. */
void wk_print_json(json_t *json);

/* A number for JSON, which has no NaN: null then. */
json_t *wk_json_number(double value);

/* Ends the pending error, printed on standard error. Returns WK_EXIT_FAILURE, or WK_EXIT_OK when
 * there was none. */
int wk_end_with_error(void);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_CLI_OPTIONS_H
#define WICK_CLI_OPTIONS_H

/* Options described by a table: parsed, checked, printed as help, all from the same rows. */

#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"

typedef enum wk_option_type {
  WK_OPTION_TEXT,    /* const char * */
  WK_OPTION_INTEGER, /* int64_t */
  WK_OPTION_NUMBER,  /* double */
  WK_OPTION_FLAG     /* bool */
} wk_option_type;

typedef struct wk_option {
  const char *name; /* without the dashes */
  wk_option_type type;
  void *to;          /* where its value goes; holds the default */
  const char *value; /* what help calls the value, "N" */
  const char *doc;
  double minimum, maximum;    /* of numbers; both 0: any */
  const char *const *choices; /* of texts, ending in NULL; NULL: any */
  bool *given;                /* set when it was given; may be NULL */
} wk_option;

/* Options that several commands have; `doc` says what is particular to one. */
wk_option wk_batch_size_option(int64_t *to, const char *doc);
wk_option wk_threads_option(int64_t *to);
wk_option wk_determinism_option(const char **to);
/* Sets the level of that name; NULL: leaves it. */
void wk_set_determinism_by_name(const char *name);
wk_option wk_json_option(bool *to, const char *doc);

typedef struct wk_usage {
  const char *command;   /* "train" */
  const char *arguments; /* "DATA" */
  const char *summary;   /* what it does, in a line or a few */
  const char *details;   /* below the options; may be NULL */
  const wk_option *options;
  int option_count;
  int least, most; /* how many arguments that are no options; most < 0: any number */
} wk_usage;

typedef enum wk_parse_result {
  WK_PARSE_OK,
  WK_PARSE_HELP, /* help was asked for and is printed: end with success */
  WK_PARSE_WRONG /* what is wrong was printed: end with WK_EXIT_USAGE */
} wk_parse_result;

/* Reads argv[1 .. argc - 1]. What is no option is moved to the front: argv[1 .. *count]. */
wk_parse_result wk_options_parse(const wk_usage *usage, int argc, char **argv, int *count);

/* Prints "wick train: <message>" and where to find help; returns WK_EXIT_USAGE. */
int wk_usage_error(const char *command, const char *format, ...) WK_PRINTF(2, 3);

/* An option's value as text that wk_option_read reads back. */
wk_status wk_option_print(const wk_option *option, wk_text *text);

/* Sets the value; false if the text is none that the option may have. */
bool wk_option_read(const wk_option *option, const char *text);

#endif

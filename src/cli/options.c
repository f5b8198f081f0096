/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/options.h"

#include <stdio.h>
#include <string.h>

#include <wick/base.h>

#include "cli/command.h"

/* ---- values ---- */

static bool in_range(const wk_option *option, double value) {
  if (option->minimum == 0 && option->maximum == 0) return true;
  return value >= option->minimum && value <= option->maximum;
}

static bool is_choice(const wk_option *option, const char *text) {
  if (!option->choices) return true;
  for (int i = 0; option->choices[i]; i++)
    if (strcmp(option->choices[i], text) == 0) return true;
  return false;
}

bool wk_option_read(const wk_option *option, const char *text) {
  int64_t integer;
  double number;
  switch (option->type) {
  case WK_OPTION_TEXT:
    if (!is_choice(option, text)) return false;
    *(const char **)option->to = text;
    return true;
  case WK_OPTION_INTEGER:
    if (!wk_parse_integer(text, &integer) || !in_range(option, (double)integer)) return false;
    *(int64_t *)option->to = integer;
    return true;
  case WK_OPTION_NUMBER:
    if (!wk_parse_number(text, &number) || !in_range(option, number)) return false;
    *(double *)option->to = number;
    return true;
  case WK_OPTION_FLAG:
    *(bool *)option->to = strcmp(text, "true") == 0;
    return *(bool *)option->to || strcmp(text, "false") == 0;
  }
  return false;
}

wk_status wk_option_print(const wk_option *option, wk_text *text) {
  switch (option->type) {
  case WK_OPTION_TEXT: {
    const char *value = *(const char **)option->to;
    return wk_text_append(text, "%s", value ? value : "");
  }
  case WK_OPTION_INTEGER:
    return wk_text_append(text, "%lld", (long long)*(int64_t *)option->to);
  case WK_OPTION_NUMBER:
    return wk_text_append_number(text, *(double *)option->to);
  case WK_OPTION_FLAG:
    return wk_text_append(text, *(bool *)option->to ? "true" : "false");
  }
  return WK_OK;
}

/* ---- options of several commands ---- */

wk_option wk_batch_size_option(int64_t *to, const char *doc) {
  return (wk_option){.name = "batch-size",
                     .type = WK_OPTION_INTEGER,
                     .to = to,
                     .value = "N",
                     .doc = doc,
                     .minimum = 1,
                     .maximum = 1e6};
}

wk_option wk_threads_option(int64_t *to) {
  return (wk_option){.name = "threads",
                     .type = WK_OPTION_INTEGER,
                     .to = to,
                     .value = "N",
                     .doc = "threads to use; 0: all processors",
                     .maximum = 256};
}

wk_option wk_determinism_option(const char **to) {
  static const char *const levels[] = {"default", "threads", "machine", NULL};
  return (wk_option){.name = "determinism",
                     .type = WK_OPTION_TEXT,
                     .to = to,
                     .value = "LEVEL",
                     .doc = "same bits with as many threads (default), any number (threads), any "
                            "instruction set too (machine)",
                     .choices = levels};
}

void wk_set_determinism_by_name(const char *name) {
  for (int i = 0; name && wk_determinism_name((wk_determinism)i); i++)
    if (strcmp(name, wk_determinism_name((wk_determinism)i)) == 0)
      wk_determinism_set((wk_determinism)i);
}

wk_option wk_json_option(bool *to, const char *doc) {
  return (wk_option){.name = "json", .type = WK_OPTION_FLAG, .to = to, .doc = doc};
}

/* ---- wrong usage ---- */

int wk_usage_error(const char *command, const char *format, ...) {
  char message[1024];
  va_list values;
  va_start(values, format);
  wk_format_text(message, sizeof message, format, values);
  va_end(values);
  fprintf(stderr, "wick %s: %s\ntry: wick help %s\n", command, message, command);
  return WK_EXIT_USAGE;
}

static void complain_unknown(const wk_usage *usage, const char *word) {
  const char *names[64] = {0};
  for (int i = 0; i < usage->option_count && i < 63; i++) names[i] = usage->options[i].name;
  const char *meant = wk_closest_name(word + 2, names);
  if (meant)
    wk_usage_error(usage->command, "there is no option %s; did you mean --%s?", word, meant);
  else
    wk_usage_error(usage->command, "there is no option %s", word);
}

static void complain_value(const wk_usage *usage, const wk_option *option, const char *text) {
  wk_text range = {0};
  for (int i = 0; option->choices && option->choices[i]; i++)
    wk_text_append(&range, "%s%s", i ? ", " : "; it is one of ", option->choices[i]);
  if (option->minimum != 0 || option->maximum != 0) {
    wk_text_append(&range, "; it is a number from ");
    wk_text_append_number(&range, option->minimum);
    wk_text_append(&range, " to ");
    wk_text_append_number(&range, option->maximum);
  }
  wk_usage_error(usage->command, "--%s cannot be '%s'%s", option->name, text,
                 range.data ? range.data : "");
  wk_text_free(&range);
}

/* ---- help ---- */

static void print_option(const wk_option *option, const wk_text *initial) {
  char left[64];
  wk_print_into(left, sizeof left, 0, "--%s%s%s", option->name, option->value ? " " : "",
                option->value ? option->value : "");
  printf("  %-24s %s", left, option->doc);
  /* A number that is none stands for a default which the text explains. */
  const bool plain = option->type != WK_OPTION_FLAG && initial->length > 0;
  if (plain && strcmp(initial->data, "nan") != 0) printf(" [%s]", initial->data);
  printf("\n");
}

static void print_help(const wk_usage *usage) {
  printf("usage: wick %s%s%s [options]\n\n%s\n\noptions:\n", usage->command,
         usage->arguments[0] ? " " : "", usage->arguments, usage->summary);
  for (int i = 0; i < usage->option_count; i++) {
    wk_text initial = {0};
    wk_option_print(&usage->options[i], &initial);
    print_option(&usage->options[i], &initial);
    wk_text_free(&initial);
  }
  printf("  %-24s %s\n", "--help", "this text");
  if (usage->details) printf("\n%s\n", usage->details);
}

/* ---- parsing ---- */

/* The option that "--name" or "--name=value" means; *value is what stands behind '='. */
static const wk_option *find_option(const wk_usage *usage, const char *word, const char **value) {
  const char *name = word + 2;
  const size_t length = strcspn(name, "=");
  *value = name[length] ? name + length + 1 : NULL;
  for (int i = 0; i < usage->option_count; i++) {
    const char *candidate = usage->options[i].name;
    if (strncmp(candidate, name, length) == 0 && !candidate[length]) return &usage->options[i];
  }
  return NULL;
}

/* Reads the option at argv[*i], and its value at the next place if need be. */
static bool parse_option(const wk_usage *usage, int argc, char **argv, int *i) {
  const char *value;
  const wk_option *option = find_option(usage, argv[*i], &value);
  if (!option) {
    complain_unknown(usage, argv[*i]);
    return false;
  }
  if (option->type == WK_OPTION_FLAG && !value) value = "true";
  if (!value && *i + 1 < argc) value = argv[++*i];
  if (!value) {
    wk_usage_error(usage->command, "--%s needs a value: %s", option->name, option->value);
    return false;
  }
  if (!wk_option_read(option, value)) {
    complain_value(usage, option, value);
    return false;
  }
  if (option->given) *option->given = true;
  return true;
}

static bool is_help(const char *word) {
  return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

wk_parse_result wk_options_parse(const wk_usage *usage, int argc, char **argv, int *count) {
  *count = 0;
  bool options_end = false;
  for (int i = 1; i < argc; i++) {
    const char *word = argv[i];
    if (options_end || word[0] != '-' || !word[1]) {
      argv[++*count] = argv[i];
    } else if (is_help(word)) {
      print_help(usage);
      return WK_PARSE_HELP;
    } else if (strcmp(word, "--") == 0) {
      options_end = true;
    } else if (word[1] != '-') {
      wk_usage_error(usage->command, "there is no option %s", word);
      return WK_PARSE_WRONG;
    } else if (!parse_option(usage, argc, argv, &i)) {
      return WK_PARSE_WRONG;
    }
  }
  if (*count >= usage->least && (usage->most < 0 || *count <= usage->most)) return WK_PARSE_OK;
  if (*count < usage->least)
    wk_usage_error(usage->command, "it needs %s", usage->arguments);
  else
    wk_usage_error(usage->command, "'%s' is one argument too many", argv[usage->most + 1]);
  return WK_PARSE_WRONG;
}

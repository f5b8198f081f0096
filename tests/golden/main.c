/* SPDX-License-Identifier: Apache-2.0 */
/* Common mistakes and the whole message each gets, which must be the one in messages.txt: reading
 * the changes of that file is how messages are reviewed. `--write` writes it anew. */
#include "golden/mistakes.h"

#include <stdlib.h>
#include <string.h>

#include "support/temporary.h"

enum { TEXT_SIZE = 1 << 17 };

typedef struct text {
  size_t length;
  char bytes[TEXT_SIZE];
} text;

static void append(text *to, const char *from, size_t length) {
  if (length >= TEXT_SIZE - to->length) length = TEXT_SIZE - 1 - to->length;
  memcpy(to->bytes + to->length, from, length);
  to->length += length;
  to->bytes[to->length] = '\0';
}

static size_t shared_length(const char *a, const char *b) {
  const size_t length = strlen(b);
  return length > 0 && strncmp(a, b, length) == 0 ? length : 0;
}

/* Without what differs from machine to machine: the folder of the sources and the temporary one. */
static void append_portable(text *to, const char *from) {
  char folder[] = __FILE__;
  folder[sizeof folder - sizeof "main.c"] = '\0';
  while (*from) {
    size_t skipped = shared_length(from, folder);
    if (!skipped && (skipped = shared_length(from, temporary_folder())) > 0) append(to, "$TMP", 4);
    if (!skipped) append(to, from, skipped = 1);
    from += skipped;
  }
}

/* ---- the parts of a message ---- */

/* "[64, 10]" and "[]" are shapes, "[N, C]" is none. */
static int count_shapes(const char *from) {
  int count = 0;
  while ((from = strchr(from, '['))) {
    const size_t length = strspn(++from, "0123456789, ");
    count += from[length] == ']';
  }
  return count;
}

static bool require(const char *name, bool there, const char *what) {
  if (!there) printf("FAIL %s names no %s\n", name, what);
  return there;
}

/* Of every message: op, fault and remedy; of this one, what its list says. */
static bool check_parts(const mistake *m, const char *whole) {
  wk_error error = {.struct_size = sizeof error};
  if (!wk_error_take(&error)) {
    printf("FAIL %s raises no error\n", m->name);
    return false;
  }
  bool good = require(m->name, error.op[0], "op");
  good &= require(m->name, error.message[0], "fault");
  good &= require(m->name, error.hint[0], "remedy");
  good &= require(m->name, error.file[0] && error.function[0] && error.line > 0, "place");
  if (strchr(m->parts, 'M')) good &= require(m->name, strstr(whole, "network"), "module path");
  if (strchr(m->parts, 'M') && error.status != WK_ERROR_STATE)
    good &= require(m->name, strncmp(error.module_path, "network", 7) == 0, "module path");
  if (strchr(m->parts, 'S')) good &= require(m->name, count_shapes(whole) >= 2, "two shapes");
  return good;
}

/* ---- comparing ---- */

static void read_golden(const char *path, text *golden) {
  FILE *file = fopen(path, "rb");
  if (!file) return;
  golden->length = fread(golden->bytes, 1, TEXT_SIZE - 1, file);
  golden->bytes[golden->length] = '\0';
  fclose(file);
}

static int write_golden(const char *path, const text *all) {
  FILE *file = fopen(path, "wb");
  if (file && fwrite(all->bytes, 1, all->length, file) == all->length && fclose(file) == 0)
    return 0;
  perror(path);
  return 1;
}

/* The mistake's entry: its name and the message, up to an empty line. */
static bool matches(const text *golden, const char *entry, const char *name) {
  char head[128];
  snprintf(head, sizeof head, "# %s\n", name);
  const char *wanted = strstr(golden->bytes, head);
  if (wanted && strncmp(wanted, entry, strlen(entry)) == 0) return true;
  const char *end = wanted ? strstr(wanted, "\n\n") : NULL;
  printf("FAIL %s\n--- expected\n%.*s\n--- found\n%s", name,
         wanted ? (int)(end ? end - wanted : (long)strlen(wanted)) : 0, wanted ? wanted : "",
         entry);
  return false;
}

static bool check(const mistake *m, const text *golden, bool write, text *all) {
  static char message[1 << 14];
  m->make();
  wk_error_text(message, sizeof message);
  const size_t start = all->length;
  append(all, "# ", 2);
  append(all, m->name, strlen(m->name));
  append(all, "\n", 1);
  append_portable(all, message);
  append(all, "\n", 1);
  const bool good = check_parts(m, message);
  return (write || matches(golden, all->bytes + start, m->name)) && good;
}

int main(int argc, char **argv) {
  static text all, golden;
  static const mistake *const lists[] = {network_mistakes, tensor_mistakes, file_mistakes,
                                         optimizer_mistakes};
  const char *path = WICK_TESTS_FOLDER "/golden/messages.txt";
  const bool write = argc > 1 && strcmp(argv[1], "--write") == 0;
  int count = 0, good = 0;
  read_golden(path, &golden);
  for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
    for (const mistake *m = lists[i]; m->name; m++, count++) good += check(m, &golden, write, &all);
  const bool changed = strcmp(all.bytes, golden.bytes) != 0;
  if (write && write_golden(path, &all) != 0) return 1;
  if (!write && changed && good == count) printf("FAIL messages.txt has other entries too\n");
  printf("%d of %d messages match; each names op, call place, fault and remedy, %s\n", good, count,
         "and module path and shapes where there are such");
  return good == count && (write || !changed) ? 0 : 1;
}

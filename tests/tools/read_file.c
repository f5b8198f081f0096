/* SPDX-License-Identifier: Apache-2.0 */

/* read_file KIND FILE...: has a reader of Wick read each file; prints a line for each, FILE,
 * `accept` or `reject`, and what was found or why not, with tabs between. With `-` for the files
 * their names come from standard input, one a line. */

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "support/readers.h"

static void print_line(const char *path, const char *verdict, const char *text) {
  printf("%s\t%s\t", path, verdict);
  for (; *text; text++) putchar((unsigned char)*text < ' ' ? ' ' : *text);
  putchar('\n');
  fflush(stdout); /* so that a crash is known to belong to the next file */
}

static int read_one(const reader *how, const char *path) {
  void *data;
  size_t size;
  if (wk_file_read(path, 0, &data, &size) < 0) return wk_error_report(stderr);
  wk_text detail = {0};
  if (reader_run(how, data, size, &detail) == WK_OK) {
    print_line(path, "accept", detail.data ? detail.data : "");
  } else {
    char why[2048];
    wk_error_text(why, sizeof why);
    wk_error_clear();
    print_line(path, "reject", why);
  }
  wk_text_free(&detail);
  wk_deallocate(data);
  return 0;
}

int main(int count, char **words) {
  const reader *how = count >= 3 ? reader_find(words[1]) : NULL;
  if (!how) {
    fprintf(stderr, "read_file KIND FILE...; the kinds are");
    for (size_t i = 0; i < reader_count; i++) fprintf(stderr, " %s", readers[i].kind);
    fprintf(stderr, "\n");
    return 2;
  }
  int failures = 0;
  char path[4096];
  if (strcmp(words[2], "-") == 0) {
    while (fgets(path, sizeof path, stdin)) {
      path[strcspn(path, "\n")] = '\0';
      failures += read_one(how, path);
    }
  } else {
    for (int i = 2; i < count; i++) failures += read_one(how, words[i]);
  }
  return failures > 0;
}

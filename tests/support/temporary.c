/* SPDX-License-Identifier: Apache-2.0 */
#include "support/temporary.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[256];

static int remove_one(const char *path, const struct stat *facts, int kind, struct FTW *place) {
  (void)facts, (void)kind, (void)place;
  return remove(path);
}

static void remove_folder(void) { nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS); }

const char *temporary_folder(void) {
  if (folder[0]) return folder;
  const char *parent = getenv("TMPDIR");
  snprintf(folder, sizeof folder, "%s/wick-test-XXXXXX", parent && *parent ? parent : "/tmp");
  if (!mkdtemp(folder)) {
    perror(folder);
    exit(1);
  }
  atexit(remove_folder);
  return folder;
}

const char *temporary_path(const char *name) {
  static char paths[8][512];
  static int next;
  char *path = paths[next++ % 8];
  const size_t start = (size_t)snprintf(path, sizeof paths[0], "%s/", temporary_folder());
  snprintf(path + start, sizeof paths[0] - start, "%s", name);
  for (char *c = path + start; *c; c++) {
    if (*c != '/') continue;
    *c = '\0';
    mkdir(path, 0777);
    *c = '/';
  }
  return path;
}

const char *temporary_file(const char *name, const void *data, size_t size) {
  const char *path = temporary_path(name);
  FILE *file = fopen(path, "wb");
  if (!file || fwrite(data, 1, size, file) != size || fclose(file) != 0) {
    perror(path);
    exit(1);
  }
  return path;
}

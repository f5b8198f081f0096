/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"

int wk_file_open(const char *path, int flags) {
  int file;
  do file = open(path, flags | O_CLOEXEC, 0666);
  while (file < 0 && errno == EINTR);
  return file;
}

/* ---- reading ---- */

static wk_status check_limit(const char *path, size_t size, size_t limit) {
  if (!limit || size <= limit) return WK_OK;
  char text[32];
  wk_format_bytes(text, sizeof text, limit);
  return wk_fail(WK_ERROR_FORMAT, "%s is longer than the %s expected", path, text);
}

/* Reads to the end of the file into `*data`, whatever its length was said to be: pipes and /proc
 * say nothing, and a file may grow. */
static wk_status read_to_end(int file, const char *path, size_t limit, char **data, size_t *size) {
  size_t capacity = 0;
  struct stat about;
  if (!fstat(file, &about) && S_ISREG(about.st_mode) && about.st_size > 0) {
    const wk_status status = check_limit(path, (size_t)about.st_size, limit);
    if (status) return status;
    capacity = (size_t)about.st_size + 2; /* the end is only seen with room left, and the zero */
    if (!(*data = wk_allocate(capacity))) return WK_ERROR_MEMORY;
  }
  for (;;) {
    if (capacity < 2 || *size >= capacity - 1) {
      if (!wk_grow(data, &capacity, capacity, 1)) return WK_ERROR_MEMORY;
    }
    const ssize_t got = read(file, *data + *size, capacity - 1 - *size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return wk_fail_errno("read", path);
    if (got == 0) break;
    *size += (size_t)got;
    const wk_status status = check_limit(path, *size, limit);
    if (status) return status;
  }
  (*data)[*size] = '\0';
  return WK_OK;
}

wk_status wk_file_read(const char *path, size_t limit, void **data, size_t *size) {
  *data = NULL, *size = 0;
  if (wk_failed()) return wk_error_pending;
  const int file = wk_file_open(path, O_RDONLY);
  if (file < 0) return wk_fail_errno("open", path);
  char *bytes = NULL;
  size_t length = 0;
  const wk_status status = read_to_end(file, path, limit, &bytes, &length);
  close(file);
  if (status) {
    wk_deallocate(bytes);
    return status;
  }
  *data = bytes, *size = length;
  return WK_OK;
}

/* ---- writing ---- */

struct wk_file_writer {
  int file;
  bool failed; /* some write failed: there is nothing left to commit */
  char *path, *temporary;
  size_t used;
  char buffer[1 << 16];
};

/* Everything but the file itself. */
static void free_writer(wk_file_writer *writer) {
  wk_deallocate(writer->path);
  wk_deallocate(writer->temporary);
  wk_deallocate(writer);
}

/* Opens a file that was not there before, named after `path`. */
static int create_temporary(wk_file_writer *writer) {
  static atomic_uint serial;
  const size_t size = strlen(writer->path) + 64;
  writer->temporary = wk_allocate(size);
  if (!writer->temporary) return -1;
  for (int attempt = 0; attempt < 1000; attempt++) {
    wk_print_into(writer->temporary, size, 0, "%s.%ld-%u.part", writer->path, (long)getpid(),
                  atomic_fetch_add(&serial, 1));
    const int file = wk_file_open(writer->temporary, O_WRONLY | O_CREAT | O_EXCL);
    if (file >= 0) return file;
    if (errno != EEXIST) break;
  }
  wk_fail_errno("create", writer->path);
  return -1;
}

wk_file_writer *wk_file_writer_create(const char *path) {
  if (wk_failed()) return NULL;
  wk_file_writer *writer = wk_allocate(sizeof *writer);
  if (!writer) return NULL;
  writer->failed = false, writer->used = 0, writer->temporary = NULL;
  writer->path = wk_duplicate_string(path);
  writer->file = writer->path ? create_temporary(writer) : -1;
  if (writer->file >= 0) return writer;
  free_writer(writer);
  return NULL;
}

static wk_status write_all(wk_file_writer *writer, const char *data, size_t size) {
  while (size) {
    const ssize_t written = write(writer->file, data, size);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      writer->failed = true;
      return wk_fail_errno("write", writer->path);
    }
    data += written, size -= (size_t)written;
  }
  return WK_OK;
}

static wk_status flush_writer(wk_file_writer *writer) {
  const size_t used = writer->used;
  writer->used = 0;
  return write_all(writer, writer->buffer, used);
}

wk_status wk_file_write(wk_file_writer *writer, const void *data, size_t size) {
  if (wk_failed()) return wk_error_pending;
  if (size > sizeof writer->buffer - writer->used) {
    const wk_status status = flush_writer(writer);
    if (status) return status;
  }
  if (size >= sizeof writer->buffer) return write_all(writer, data, size);
  if (size) memcpy(writer->buffer + writer->used, data, size);
  writer->used += size;
  return WK_OK;
}

static int sync_file(int file) {
  int result;
  do result = fsync(file);
  while (result != 0 && errno == EINTR);
  return result;
}

/* Makes a rename last: the folder is what records it. */
static wk_status sync_folder_of(const char *path) {
  const char *slash = strrchr(path, '/');
  char *folder = wk_duplicate_string(slash ? path : ".");
  if (!folder) return WK_ERROR_MEMORY;
  if (slash) folder[slash == path ? 1 : slash - path] = '\0';
  const int file = wk_file_open(folder, O_RDONLY | O_DIRECTORY);
  wk_status status = WK_OK;
  /* Some file systems cannot sync a folder and say EINVAL; nothing better can be done there. */
  if (file < 0 || (sync_file(file) && errno != EINVAL)) status = wk_fail_errno("sync", folder);
  if (file >= 0) close(file);
  wk_deallocate(folder);
  return status;
}

wk_status wk_file_commit(wk_file_writer *writer) {
  wk_status status = wk_failed() ? wk_error_pending : flush_writer(writer);
  if (!status && writer->failed)
    status = wk_fail(WK_ERROR_IO, "%s was not written: an earlier write failed", writer->path);
  if (!status && sync_file(writer->file)) status = wk_fail_errno("sync", writer->path);
  if (status) {
    wk_file_abandon(writer);
    return status;
  }
  /* An interrupted close has closed, and what was written is synced already. */
  if (close(writer->file) && errno != EINTR) status = wk_fail_errno("close", writer->path);
  if (!status && rename(writer->temporary, writer->path))
    status = wk_fail_errno("replace", writer->path);
  if (status)
    unlink(writer->temporary);
  else
    status = sync_folder_of(writer->path);
  free_writer(writer);
  return status;
}

void wk_file_abandon(wk_file_writer *writer) {
  if (!writer) return;
  close(writer->file);
  unlink(writer->temporary);
  free_writer(writer);
}

/* ---- folders ---- */

bool wk_file_exists(const char *path) {
  struct stat about;
  return !stat(path, &about) && !S_ISDIR(about.st_mode);
}

bool wk_folder_exists(const char *path) {
  struct stat about;
  return !stat(path, &about) && S_ISDIR(about.st_mode);
}

static wk_status create_one_folder(const char *path) {
  if (!mkdir(path, 0777) || wk_folder_exists(path)) return WK_OK;
  return wk_fail_errno("create folder", path);
}

wk_status wk_folder_create(const char *path) {
  if (wk_failed()) return wk_error_pending;
  if (wk_folder_exists(path)) return WK_OK;
  char *part = wk_duplicate_string(path);
  if (!part) return WK_ERROR_MEMORY;
  wk_status status = WK_OK;
  for (char *at = part + 1; *part && *at && !status; at++) {
    if (*at != '/') continue;
    *at = '\0';
    status = create_one_folder(part);
    *at = '/';
  }
  if (!status) status = create_one_folder(path);
  wk_deallocate(part);
  return status;
}

static int compare_names(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

wk_status wk_folder_list(const char *path, char ***names, size_t *count) {
  *names = NULL, *count = 0;
  if (wk_failed()) return wk_error_pending;
  DIR *folder = opendir(path);
  if (!folder) return wk_fail_errno("list", path);
  char **list = NULL;
  size_t length = 0, capacity = 0;
  for (;;) {
    errno = 0; /* the only way to tell the end from an error */
    const struct dirent *entry = readdir(folder);
    if (!entry && errno) wk_fail_errno("list", path);
    if (!entry) break;
    if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
    if (!wk_grow(&list, &capacity, length, sizeof *list)) break;
    if (!(list[length] = wk_duplicate_string(entry->d_name))) break;
    length++;
  }
  closedir(folder);
  if (wk_failed()) {
    wk_names_free(list, length);
    return wk_error_pending;
  }
  if (length) qsort(list, length, sizeof *list, compare_names);
  *names = list, *count = length;
  return WK_OK;
}

void wk_names_free(char **names, size_t count) {
  for (size_t i = 0; i < count; i++) wk_deallocate(names[i]);
  wk_deallocate(names);
}

char *wk_path_join(const char *folder, const char *name) {
  const size_t length = strlen(folder);
  const char *between = length && folder[length - 1] != '/' ? "/" : "";
  const size_t size = length + strlen(between) + strlen(name) + 1;
  char *path = wk_allocate(size);
  if (path) wk_print_into(path, size, 0, "%s%s%s", folder, between, name);
  return path;
}

/* ---- time ---- */

static double read_clock(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

double wk_seconds(void) { return read_clock(CLOCK_MONOTONIC); }
double wk_wall_seconds(void) { return read_clock(CLOCK_REALTIME); }

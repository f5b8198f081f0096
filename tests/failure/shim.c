/* SPDX-License-Identifier: Apache-2.0 */
#include "failure/shim.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Set by the one thread that makes calls while they are. */
static struct {
  shim_call call;
  int left; /* calls before the failing one; negative: none fails */
  int error;
  bool happened;
  int most; /* 0: undisturbed */
  unsigned turn;
} plan = {.left = -1};

void shim_fail(shim_call call, int n, int error) {
  plan.call = call, plan.left = n, plan.error = error, plan.happened = false;
}

void shim_disturb(int most) { plan.most = most; }

bool shim_end(void) {
  plan.left = -1, plan.most = 0;
  return plan.happened;
}

static bool fails(shim_call call) {
  if (plan.left >= 0 && plan.call == call && plan.left-- == 0) {
    plan.happened = true;
    errno = plan.error;
    return true;
  }
  const bool interruptible =
      call == SHIM_OPEN || call == SHIM_READ || call == SHIM_WRITE || call == SHIM_FSYNC;
  if (plan.most == 0 || !interruptible || plan.turn++ % 2 != 0) return false;
  errno = EINTR;
  return true;
}

static size_t shortened(size_t size) {
  return plan.most > 0 && size > (size_t)plan.most ? (size_t)plan.most : size;
}

/* The next definition of `name`, the C library's; a copy, since ISO C has no such conversion. */
#define FIND(name)                                                                                 \
  static __typeof__(name) *next;                                                                   \
  if (!next) {                                                                                     \
    void *found = dlsym(RTLD_NEXT, #name);                                                         \
    memcpy(&next, &found, sizeof next);                                                            \
  }

int open(const char *path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const mode_t mode = flags & O_CREAT ? va_arg(more, mode_t) : 0;
  va_end(more);
  FIND(open)
  return fails(SHIM_OPEN) ? -1 : next(path, flags, mode);
}

ssize_t read(int file, void *buffer, size_t size) {
  FIND(read)
  return fails(SHIM_READ) ? -1 : next(file, buffer, shortened(size));
}

ssize_t write(int file, const void *buffer, size_t size) {
  FIND(write)
  return fails(SHIM_WRITE) ? -1 : next(file, buffer, shortened(size));
}

int fsync(int file) {
  FIND(fsync)
  return fails(SHIM_FSYNC) ? -1 : next(file);
}

int rename(const char *from, const char *to) {
  FIND(rename)
  return fails(SHIM_RENAME) ? -1 : next(from, to);
}

int close(int file) {
  FIND(close)
  const int result = next(file);
  return fails(SHIM_CLOSE) ? -1 : result;
}

/* Memory comes from elsewhere too, and before anything can be looked up: only files count. */
void *mmap(void *address, size_t size, int protection, int flags, int file, off_t offset) {
  FIND(mmap)
  if (file >= 0 && fails(SHIM_MMAP)) return MAP_FAILED;
  return next(address, size, protection, flags, file, offset);
}

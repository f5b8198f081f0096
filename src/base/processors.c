/* SPDX-License-Identifier: Apache-2.0 */
#include "base/processors.h"

#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The start of a small file as text; false when it cannot be read, which is no error here. */
static bool read_text(const char *path, char *text, size_t size) {
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  size_t length = 0;
  for (ssize_t got; length < size - 1; length += (size_t)got)
    if ((got = read(file, text + length, size - 1 - length)) <= 0) break;
  close(file);
  text[length] = '\0';
  return length > 0;
}

/* quota / period of one cgroup folder, or 0. Version 2 has both in one file, version 1 in two. */
static double folder_quota(const char *folder, bool version2) {
  char path[1100], text[64];
  long quota = 0, period = 0;
  snprintf(path, sizeof path, "%s/%s", folder, version2 ? "cpu.max" : "cpu.cfs_quota_us");
  if (!read_text(path, text, sizeof text)) return 0;
  char *rest;
  quota = strtol(text, &rest, 10); /* "max" and "-1" mean no limit */
  if (!version2) {
    snprintf(path, sizeof path, "%s/cpu.cfs_period_us", folder);
    if (!read_text(path, text, sizeof text)) return 0;
    rest = text;
  }
  period = strtol(rest, NULL, 10);
  return quota > 0 && period > 0 ? (double)quota / (double)period : 0;
}

/* The least quota of `group` and of all above it. */
static double hierarchy_quota(const char *mount, const char *group, bool version2) {
  char folder[1024];
  const int length = snprintf(folder, sizeof folder, "%s%s", mount, group);
  if (length < 0 || (size_t)length >= sizeof folder) return 0;
  double least = 0;
  for (;;) {
    const double quota = folder_quota(folder, version2);
    if (quota > 0 && (least == 0 || quota < least)) least = quota;
    char *slash = strrchr(folder, '/');
    if (!slash || (size_t)(slash - folder) < strlen(mount)) return least;
    *slash = '\0';
  }
}

/* True if "cpu" is among the comma-separated controllers. */
static bool has_cpu(const char *controllers) {
  for (const char *at = controllers; (at = strstr(at, "cpu")); at += 3)
    if ((at == controllers || at[-1] == ',') && (at[3] == ',' || !at[3])) return true;
  return false;
}

double wk_processor_quota(const char *membership, const char *root) {
  double least = 0;
  while (*membership) {
    char line[1024], mount[512];
    const size_t length = strcspn(membership, "\n");
    snprintf(line, sizeof line, "%.*s", (int)length, membership);
    membership += length + (membership[length] == '\n');
    /* "hierarchy:controllers:group"; version 2 has no controllers */
    char *controllers = strchr(line, ':');
    char *group = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!group) continue;
    *group++ = '\0', controllers++;
    const bool version2 = !*controllers;
    if (!version2 && !has_cpu(controllers)) continue;
    snprintf(mount, sizeof mount, "%s%s", root, version2 ? "" : "/cpu");
    const double quota = hierarchy_quota(mount, group, version2);
    if (quota > 0 && (least == 0 || quota < least)) least = quota;
  }
  return least;
}

static int affinity_count(void) {
#ifdef __linux__
  cpu_set_t sets[16]; /* the kernel refuses a mask smaller than its own: this holds 16,384 */
  if (!sched_getaffinity(0, sizeof sets, sets)) return CPU_COUNT_S(sizeof sets, sets);
#endif
  return (int)sysconf(_SC_NPROCESSORS_ONLN);
}

int wk_processor_count(void) {
  int count = affinity_count();
  char membership[8192];
  if (read_text("/proc/self/cgroup", membership, sizeof membership)) {
    const double quota = wk_processor_quota(membership, "/sys/fs/cgroup");
    if (quota > 0 && quota < count) count = (int)quota;
  }
  return count < 1 ? 1 : count;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "support/temporary.h"
#include "support/unit.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"

static char folder[256];

static int make_folder(void **state) {
  (void)state;
  wk_print_into(folder, sizeof folder, 0, "%s", temporary_path("XXXXXX"));
  return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
  (void)state;
  char command[300];
  wk_print_into(command, sizeof command, 0, "rm -rf '%s'", folder);
  return system(command);
}

static char *path_of(const char *name) {
  static char path[400];
  wk_print_into(path, sizeof path, 0, "%s/%s", folder, name);
  return path;
}

static void write_file(const char *name, const void *data, size_t size) {
  wk_file_writer *writer = wk_file_writer_create(path_of(name));
  assert_non_null(writer);
  assert_int_equal(wk_file_write(writer, data, size), WK_OK);
  assert_int_equal(wk_file_commit(writer), WK_OK);
}

static void check_file(const char *name, const void *expected, size_t size) {
  void *data;
  size_t length;
  assert_int_equal(wk_file_read(path_of(name), 0, &data, &length), WK_OK);
  assert_int_equal(length, size);
  assert_memory_equal(data, expected, size);
  assert_int_equal(((char *)data)[size], 0);
  wk_deallocate(data);
}

static size_t names_in_folder(void) {
  char **names;
  size_t count;
  assert_int_equal(wk_folder_list(folder, &names, &count), WK_OK);
  wk_names_free(names, count);
  return count;
}

static void files_come_back(void **state) {
  (void)state;
  write_file("empty", "", 0);
  check_file("empty", "", 0);
  write_file("small", "small", 5);
  check_file("small", "small", 5);
  const size_t size = 300000; /* several buffers */
  char *large = wk_allocate(size);
  for (size_t i = 0; i < size; i++) large[i] = (char)(i * 7 % 251);
  wk_file_writer *writer = wk_file_writer_create(path_of("large"));
  size_t at = 0;
  for (size_t piece = 1; at < size; at += piece, piece = piece * 3 + 1) {
    if (piece > size - at) piece = size - at;
    assert_int_equal(wk_file_write(writer, large + at, piece), WK_OK);
  }
  assert_int_equal(wk_file_commit(writer), WK_OK);
  check_file("large", large, size);
  wk_deallocate(large);
  assert_int_equal(names_in_folder(), 3);
}

static void limits_hold(void **state) {
  (void)state;
  write_file("five", "12345", 5);
  void *data;
  size_t size;
  assert_int_equal(wk_file_read(path_of("five"), 5, &data, &size), WK_OK);
  wk_deallocate(data);
  assert_int_equal(wk_file_read(path_of("five"), 4, &data, &size), WK_ERROR_FORMAT);
  assert_null(data);
  assert_int_equal(size, 0);
  assert_error_says(WK_ERROR_FORMAT, "five is longer than the 4 bytes expected");
  assert_int_equal(wk_file_read("/dev/zero", 100000, &data, &size), WK_ERROR_FORMAT);
  assert_error(WK_ERROR_FORMAT);
}

static void files_without_a_length_are_read(void **state) {
  (void)state;
  void *data;
  size_t size;
  assert_int_equal(wk_file_read("/proc/self/status", 0, &data, &size), WK_OK);
  assert_true(size > 100);
  assert_non_null(strstr(data, "Pid:"));
  wk_deallocate(data);
}

static void unreadable_files_are_errors(void **state) {
  (void)state;
  void *data;
  size_t size;
  assert_int_equal(wk_file_read(path_of("none"), 0, &data, &size), WK_ERROR_NOT_FOUND);
  assert_error_says(WK_ERROR_NOT_FOUND, "none: No such file or directory");
  assert_int_equal(wk_file_read(folder, 0, &data, &size), WK_ERROR_IO);
  assert_error_says(WK_ERROR_IO, "Is a directory");
  assert_null(wk_file_writer_create(path_of("none/deeper")));
  assert_error(WK_ERROR_NOT_FOUND);
  if (geteuid() == 0) return; /* nothing is forbidden to root */
  write_file("secret", "x", 1);
  chmod(path_of("secret"), 0);
  assert_int_equal(wk_file_read(path_of("secret"), 0, &data, &size), WK_ERROR_IO);
  assert_error_says(WK_ERROR_IO, "Permission denied");
}

static void nothing_happens_while_an_error_is_pending(void **state) {
  (void)state;
  void *data;
  size_t size;
  wk_fail(WK_ERROR_INDEX, "before");
  assert_int_equal(wk_file_read("/proc/self/status", 0, &data, &size), WK_ERROR_INDEX);
  assert_null(wk_file_writer_create(path_of("never")));
  assert_int_equal(wk_folder_create(path_of("never")), WK_ERROR_INDEX);
  assert_error(WK_ERROR_INDEX);
  assert_false(wk_file_exists(path_of("never")) || wk_folder_exists(path_of("never")));
}

static void only_a_commit_replaces(void **state) {
  (void)state;
  write_file("kept", "old", 3);
  const size_t names = names_in_folder();
  wk_file_writer *writer = wk_file_writer_create(path_of("kept"));
  wk_file_write(writer, "new", 3);
  check_file("kept", "old", 3);
  wk_file_abandon(writer);
  wk_file_abandon(NULL);
  check_file("kept", "old", 3);
  writer = wk_file_writer_create(path_of("kept"));
  wk_file_write(writer, "new", 3);
  wk_fail(WK_ERROR_INDEX, "meanwhile");
  assert_int_equal(wk_file_commit(writer), WK_ERROR_INDEX);
  assert_error(WK_ERROR_INDEX);
  check_file("kept", "old", 3);
  assert_int_equal(names_in_folder(), names);
  write_file("kept", "new", 3);
  check_file("kept", "new", 3);
}

static void a_full_disk_is_an_error(void **state) {
  (void)state;
  const size_t names = names_in_folder();
  const struct rlimit before = {RLIM_INFINITY, RLIM_INFINITY}, small = {100000, RLIM_INFINITY};
  signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &small);
  wk_file_writer *writer = wk_file_writer_create(path_of("too-large"));
  static const char data[200000];
  const wk_status status = wk_file_write(writer, data, sizeof data);
  setrlimit(RLIMIT_FSIZE, &before);
  assert_int_equal(status, WK_ERROR_IO);
  assert_error_says(WK_ERROR_IO, "File too large");
  /* forgetting the error must not make half a file */
  assert_int_equal(wk_file_commit(writer), WK_ERROR_IO);
  assert_error_says(WK_ERROR_IO, "an earlier write failed");
  assert_int_equal(names_in_folder(), names);
}

static void folders_are_made_with_parents(void **state) {
  (void)state;
  assert_int_equal(wk_folder_create(path_of("a/b//c/")), WK_OK);
  assert_int_equal(wk_folder_create(path_of("a/b/c")), WK_OK);
  assert_true(wk_folder_exists(path_of("a/b/c")));
  assert_false(wk_file_exists(path_of("a/b/c")));
  write_file("a/file", "x", 1);
  assert_true(wk_file_exists(path_of("a/file")));
  assert_int_equal(wk_folder_create(path_of("a/file")), WK_ERROR_IO);
  assert_error(WK_ERROR_IO);
  assert_true(wk_folder_create(path_of("a/file/d")) < 0);
  wk_error_clear();
}

static void lists_are_sorted(void **state) {
  (void)state;
  static const char *const order[] = {"B", "a", "b", "\xc3\xa4"};
  wk_folder_create(path_of("list"));
  for (int i = 3; i >= 0; i--) {
    char name[16];
    wk_print_into(name, sizeof name, 0, "list/%s", order[i]);
    write_file(name, "", 0);
  }
  char **names;
  size_t count;
  assert_int_equal(wk_folder_list(path_of("list"), &names, &count), WK_OK);
  assert_int_equal(count, 4);
  for (size_t i = 0; i < 4; i++) assert_string_equal(names[i], order[i]);
  wk_names_free(names, count);
  assert_int_equal(wk_folder_list(path_of("none"), &names, &count), WK_ERROR_NOT_FOUND);
  assert_null(names);
  assert_error(WK_ERROR_NOT_FOUND);
}

static void paths_join(void **state) {
  (void)state;
  static const char *const rows[][3] = {{"a", "b", "a/b"},
                                        {"a/", "b", "a/b"},
                                        {"", "b", "b"},
                                        {"/", "b", "/b"}};
  for (size_t i = 0; i < COUNT_OF(rows); i++) {
    char *path = wk_path_join(rows[i][0], rows[i][1]);
    assert_string_equal(path, rows[i][2]);
    wk_deallocate(path);
  }
}

static bool use_files(void *context) {
  (void)context;
  void *data = NULL;
  char **names = NULL;
  size_t size, count = 0;
  wk_file_writer *writer = wk_file_writer_create(path_of("starved"));
  bool good = writer && !wk_file_write(writer, "abc", 3);
  if (writer && wk_file_commit(writer)) good = false;
  good = good && !wk_file_read(path_of("starved"), 0, &data, &size);
  good = good && !wk_folder_list(folder, &names, &count);
  good = good && !wk_folder_create(path_of("starved.d"));
  wk_deallocate(data);
  wk_names_free(names, count);
  unlink(path_of("starved"));
  rmdir(path_of("starved.d"));
  return good;
}

static void files_survive_lack_of_memory(void **state) {
  (void)state;
  const size_t names = names_in_folder();
  assert_true(fail_each_allocation(use_files, NULL) > 6);
  assert_int_equal(names_in_folder(), names);
}

static void clocks_run(void **state) {
  (void)state;
  const double start = wk_seconds();
  assert_true(wk_seconds() >= start);
  assert_true(wk_wall_seconds() > 1.6e9);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(files_come_back),
      cmocka_unit_test(limits_hold),
      cmocka_unit_test(files_without_a_length_are_read),
      cmocka_unit_test(unreadable_files_are_errors),
      cmocka_unit_test(nothing_happens_while_an_error_is_pending),
      cmocka_unit_test(only_a_commit_replaces),
      cmocka_unit_test(a_full_disk_is_an_error),
      cmocka_unit_test(folders_are_made_with_parents),
      cmocka_unit_test(lists_are_sorted),
      cmocka_unit_test(paths_join),
      cmocka_unit_test(files_survive_lack_of_memory),
      cmocka_unit_test(clocks_run),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

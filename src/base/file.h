/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_BASE_FILE_H
#define WICK_BASE_FILE_H

/* Files: whole reads, atomic writes. Every function raises WK_ERROR_IO or WK_ERROR_NOT_FOUND with
 * the path and the system's reason. Interrupted calls are continued. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <wick/base.h>

/* open(2), interrupted or not, with O_CLOEXEC; -1 and errno on failure. Raises nothing. */
int wk_file_open(const char *path, int flags);

/* The whole file, or at most `limit` bytes of it if limit is not 0 (a longer file is then a
 * WK_ERROR_FORMAT). *data is freed with wk_deallocate; behind it stands a zero byte that *size does
 * not count. */
wk_status wk_file_read(const char *path, size_t limit, void **data, size_t *size);

/* A file that appears under `path` only when wk_file_commit succeeds: bytes go to a temporary file
 * beside it; commit flushes, fsyncs, renames and fsyncs the folder. wk_file_abandon (NULL is fine)
 * removes the temporary file. Commit frees the writer, also when it fails. */
typedef struct wk_file_writer wk_file_writer;
wk_file_writer *wk_file_writer_create(const char *path);
wk_status wk_file_write(wk_file_writer *writer, const void *data, size_t size);
wk_status wk_file_commit(wk_file_writer *writer);
void wk_file_abandon(wk_file_writer *writer);

/* Creates the folder and its parents; fine when it exists. */
wk_status wk_folder_create(const char *path);
bool wk_file_exists(const char *path);
bool wk_folder_exists(const char *path);

/* Sorted names in a folder (bytewise), without "." and ".."; freed with wk_names_free. */
wk_status wk_folder_list(const char *path, char ***names, size_t *count);
void wk_names_free(char **names, size_t count);

/* "folder/name", allocated. */
char *wk_path_join(const char *folder, const char *name);

/* Seconds of a clock that never jumps, and of the calendar. */
double wk_seconds(void);
double wk_wall_seconds(void);

#endif

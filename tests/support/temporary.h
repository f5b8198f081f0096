/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_TESTS_TEMPORARY_H
#define WICK_TESTS_TEMPORARY_H

#include <stddef.h>

/* A fresh folder for a test's files, removed with all that is in it when the program ends. Exits
 * when it cannot be made. Static storage. */
const char *temporary_folder(void);

/* The path of `name` in that folder, in one of eight buffers used in turn. Folders in the name are
 * created. */
const char *temporary_path(const char *name);

/* Writes a file there and returns its path. */
const char *temporary_file(const char *name, const void *data, size_t size);

#endif

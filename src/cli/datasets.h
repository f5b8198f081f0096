/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_CLI_DATASETS_H
#define WICK_CLI_DATASETS_H

#include <jansson.h>

#include <wick/data.h>
#include <wick/nn.h>

/* Opens the training or the test part of a data set as a network for examples of `shape` needs it
 * (rank 0: as it comes). */
wk_dataset *wk_open_part(const char *name, bool test, wk_shape shape);

/* Opens the test part as the network expects it; its classes must be the network's. */
wk_dataset *wk_open_test_for(const wk_module *network, const char *name);

/* "28x28x1", as snprintf. */
size_t wk_shape_text(wk_shape shape, char *buffer, size_t size);

/* Prints which files a data set was read from, only the first and the last of many. */
void wk_print_sources(const wk_dataset *dataset);

/* The same as a JSON list. */
json_t *wk_sources_to_json(const wk_dataset *dataset);

#endif

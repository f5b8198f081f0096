/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_OPS_ROWS_H
#define WICK_OPS_ROWS_H

/* Some rows of a table: numbers for those that are used, and gradients that are rows alone. */

#include "ops/records.gen.h"

/* The rows of a table that indices name, ascending, and what they are in that order. */
typedef struct wk_row_numbers {
  int64_t count;
  wk_tensor *rows;    /* i64 [count] */
  wk_tensor *numbers; /* i64, for each index the place of its row in `rows`; `count` if left out */
} wk_row_numbers;

/* Numbers the rows below `table`; the row `left_out` (-1: none) is not among them. The work grows
 * with the indices and a 64th of the table; so does the memory, less a table's row. */
wk_status wk_rows_number(wk_tensor *indices, int64_t table, int64_t left_out,
                         wk_row_numbers *result);

/* A tensor with this layout that holds values [n, ...] in its rows, zeros elsewhere; rows that
 * stand twice are added. */
wk_tensor *wk_rows_spread(const wk_layout *layout, wk_tensor *rows, wk_tensor *values);

/* Overwrites rows of the table in place; each is listed once. */
wk_status wk_rows_put(wk_tensor *table, wk_tensor *rows, wk_tensor *values);

#endif

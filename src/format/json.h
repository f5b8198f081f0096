/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_FORMAT_JSON_H
#define WICK_FORMAT_JSON_H

#include <stddef.h>

#include <jansson.h>

/* Parses JSON text (RFC 8259) of an untrusted file: UTF-8, one value of any kind, no equal keys in
 * an object, no zero bytes. A new reference; NULL with WK_ERROR_FORMAT that says what is wrong. */
json_t *wk_json_parse(const void *text, size_t size);

#endif

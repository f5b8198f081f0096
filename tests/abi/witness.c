/* SPDX-License-Identifier: Apache-2.0 */
/* Linked into the library that tools/check_abi reads. libabigail sees only types that an exported
 * function names; these reach users as void * alone. */

#include <wick/wick.h>

WK_API void wk_abi_witness(const wk_progress *progress, const wk_gradient_event *event);
void wk_abi_witness(const wk_progress *progress, const wk_gradient_event *event) {
  (void)progress, (void)event;
}

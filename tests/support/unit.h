/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_TESTS_SUPPORT_UNIT_H
#define WICK_TESTS_SUPPORT_UNIT_H

/* What every unit test includes: cmocka, and checks of Wick's pending error. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/memory.h"

#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

/* The pending error has this status; ends it. */
#define assert_error(expected)                                                                     \
  do {                                                                                             \
    assert_int_equal(wk_error_status(), expected);                                                 \
    wk_error_clear();                                                                              \
  } while (0)

/* As assert_error, and the error's whole text contains `part`. */
#define assert_error_says(expected, part)                                                          \
  do {                                                                                             \
    char text_[8192];                                                                              \
    wk_error_text(text_, sizeof text_);                                                            \
    if (!strstr(text_, part)) fail_msg("\"%s\" is not in: %s", part, text_);                       \
    assert_error(expected);                                                                        \
  } while (0)

#define assert_no_error()                                                                          \
  do {                                                                                             \
    if (wk_error_status() < 0) {                                                                   \
      char text_[8192];                                                                            \
      wk_error_text(text_, sizeof text_);                                                          \
      fail_msg("%s", text_);                                                                       \
    }                                                                                              \
  } while (0)

/* Runs `attempt` with its first allocation failing, then its second, ... until all succeed. Each
 * time it must either succeed or leave a memory error. Returns how many failures it met. */
static inline int fail_each_allocation(bool (*attempt)(void *context), void *context) {
  for (int n = 0;; n++) {
    wk_memory_fail_after(n);
    const bool succeeded = attempt(context);
    const bool happened = wk_memory_fail_after(-1) < 0;
    if (succeeded)
      assert_no_error();
    else
      assert_error(WK_ERROR_MEMORY);
    if (!happened) {
      assert_true(succeeded);
      return n;
    }
  }
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/label.h"

#include <string.h>

#include "base/error.h"

wk_status wk_labels_check(const wk_operand *labels, int64_t classes, double ignored) {
  const int64_t count = wk_layout_count(&labels->layout);
  for (int64_t i = 0; i < count; i++) {
    int64_t label;
    const int64_t position = wk_layout_position(&labels->layout, i);
    memcpy(&label, labels->data + position * (int64_t)sizeof label, sizeof label);
    if ((label >= 0 && label < classes) || (double)label == ignored) continue;
    wk_fail(WK_ERROR_INDEX, "label %lld at position %lld is not one of 0 .. %lld", (long long)label,
            (long long)i, (long long)classes - 1);
    wk_error_add_hint("labels are class numbers counted from 0, and the logits have %lld columns",
                      (long long)classes);
    return WK_ERROR_INDEX;
  }
  return WK_OK;
}

wk_status wk_lengths_check(const char *what, const wk_operand *lengths, int64_t most) {
  for (int64_t i = 0; i < lengths->layout.dims[0]; i++) {
    int64_t length;
    const int64_t position = i * lengths->layout.strides[0];
    memcpy(&length, lengths->data + position * (int64_t)sizeof length, sizeof length);
    if (length < 0 || length > most)
      return wk_fail(WK_ERROR_INDEX, "%s %lld at position %lld is not one of 0 .. %lld", what,
                     (long long)length, (long long)i, (long long)most);
  }
  return WK_OK;
}

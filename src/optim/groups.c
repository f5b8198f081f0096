/* SPDX-License-Identifier: Apache-2.0 */
/* Settings that differ between parameters: rules of a pattern, a setting and its value. Segments to
 * which the same rules apply are a group, whose number has a bit for each. */
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "optim/optimizer.h"

/* '*' stands for any text. */
static bool matches(const char *pattern, const char *name) {
  for (; *pattern != '*'; pattern++, name++) {
    if (*pattern != *name) return false;
    if (!*name) return true;
  }
  while (*pattern == '*') pattern++;
  if (!*pattern) return true;
  for (; *name; name++)
    if (matches(pattern, name)) return true;
  return false;
}

void wk_optimizer_group_settings(const wk_optimizer *optimizer, uint32_t group, void *settings) {
  memcpy(settings, optimizer->settings, optimizer->type->settings.size);
  for (int i = 0; group >> i; i++) {
    const wk_rule *rule = &optimizer->rules[i];
    if (!(group >> i & 1)) continue;
    const double own = wk_optimizer_setting(optimizer, rule->setting);
    const bool factor = rule->setting == optimizer->learning_rate;
    wk_attribute_set_number(rule->setting, settings, factor ? own * rule->value : rule->value);
  }
}

static wk_status check(const wk_optimizer *optimizer, const wk_attribute *setting, double value) {
  if (setting->type != WK_ATTRIBUTE_DOUBLE || setting == optimizer->clip_norm ||
      setting == optimizer->clip_value) {
    wk_fail(WK_ERROR_ARGUMENT, "%s of %s is one for all parameters", setting->name,
            optimizer->type->name);
    wk_error_add_hint("wk_optimizer_set sets it");
    return WK_ERROR_ARGUMENT;
  }
  if (setting == optimizer->learning_rate && wk_optimizer_setting(optimizer, setting) == 0) {
    wk_fail(WK_ERROR_STATE, "the learning rate of %s itself is 0", optimizer->type->name);
    wk_error_add_hint("others keep their ratio to it, so set it first");
    return WK_ERROR_STATE;
  }
  if (optimizer->rule_count == WK_MAX_RULES)
    return wk_fail(WK_ERROR_UNSUPPORTED, "there are %d settings for parts already", WK_MAX_RULES);
  return wk_attribute_check(setting, optimizer->type->name, value);
}

/* Marks the segments that match; how many they are. */
static size_t mark(wk_optimizer *optimizer, const char *pattern) {
  size_t found = 0;
  const wk_parameters *set = optimizer->parameters;
  for (size_t i = 0; i < set->segment_count; i++) {
    if (!matches(pattern, wk_tensor_name(set->segments[i].tensor))) continue;
    optimizer->groups[i] |= UINT32_C(1) << optimizer->rule_count;
    found++;
  }
  return found;
}

static wk_status add_rule(wk_optimizer *optimizer, const char *pattern, const char *name,
                          double value) {
  const wk_attribute *setting = wk_optimizer_find_setting(optimizer, name);
  if (!setting || check(optimizer, setting, value) < 0) return wk_error_pending;
  if (!pattern) return wk_fail(WK_ERROR_ARGUMENT, "the pattern is NULL");
  const size_t count = optimizer->parameters->segment_count;
  if (!optimizer->groups)
    optimizer->groups = wk_allocate_zeroed(count + 1, sizeof *optimizer->groups);
  char *kept = optimizer->groups ? wk_duplicate_string(pattern) : NULL;
  if (!kept) return wk_error_status();
  if (mark(optimizer, pattern) == 0) {
    wk_deallocate(kept);
    wk_fail(WK_ERROR_NOT_FOUND, "no parameter is called %s", pattern);
    if (count > 0)
      wk_error_add_hint("their names are like %s; * stands for any text",
                        wk_tensor_name(wk_parameters_get(optimizer->parameters, 0)));
    return WK_ERROR_NOT_FOUND;
  }
  if (setting == optimizer->learning_rate) value /= wk_optimizer_setting(optimizer, setting);
  optimizer->rules[optimizer->rule_count++] = (wk_rule){kept, setting, value};
  optimizer->version++;
  return WK_OK;
}

wk_status wk_optimizer_set_for_at(wk_place here, wk_optimizer *optimizer, const char *pattern,
                                  const char *name, double value) {
  if (wk_failed()) return wk_error_pending;
  const wk_status status = add_rule(optimizer, pattern, name, value);
  wk_error_add_call("optimizer_set_for", here);
  return status;
}

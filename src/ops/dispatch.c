/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/dispatch.h"

#include <ctype.h>
#include <stdalign.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "ops/autocast.h"
#include "ops/journal.h"
#include "ops/kernel.h"
#include "ops/promote.h"
#include "ops/records.gen.h"
#include "ops/trace.h"

/* ---- the kernel's end of dispatch ---- */

static void set_operand(wk_operand *operand, const wk_tensor *tensor) {
  if (tensor) {
    operand->data = wk_tensor_data(tensor);
    wk_layout_copy(&operand->layout, &tensor->layout);
  } else {
    operand->data = NULL;
    operand->layout.dtype = WK_DTYPE_DEFAULT, operand->layout.rank = 0;
  }
}

static void release_all(wk_tensor **tensors, int count) {
  for (int i = 0; i < count; i++) {
    wk_tensor_release(tensors[i]);
    tensors[i] = NULL;
  }
}

/* A random op takes its numbers when it runs, so in program order, and keeps their key in its
 * arguments for its gradient. */
static wk_status draw_key(wk_call *call) {
  wk_random_key *key = (wk_random_key *)(void *)((char *)call->arguments + call->op->random_key);
  return wk_random_key_draw(key, wk_layout_count(&call->layouts[0]));
}

wk_device *wk_call_device(const wk_call *call) {
  for (int i = 0; i < call->input_count; i++) {
    if (call->inputs[i]) return wk_tensor_device_of(call->inputs[i]);
  }
  const wk_attribute *attribute = wk_settings_find(&call->op->settings, "device");
  wk_device *device = NULL;
  if (attribute) memcpy(&device, (char *)call->arguments + attribute->offset, sizeof device);
  return wk_device_or_default(device);
}

/* The layouts, which are large, stay as they are: infer sets those there are. */
static void begin_call(wk_call *call, const wk_op *op, wk_thread *thread) {
  call->op = op;
  call->thread = thread;
  call->here = (wk_place){NULL, NULL, 0};
  call->inputs = NULL, call->input_count = 0;
  call->view_offset = 0, call->view_of_copy = false;
  call->late.run = NULL;
  for (int i = 0; i < WK_MAX_OUTPUTS; i++) call->outputs[i] = NULL;
}

/* A row-major copy, unseen by the layers; an owned reference. */
static wk_tensor *copy_contiguous(wk_thread *thread, wk_tensor *tensor) {
  wk_contiguous_arguments arguments = {.struct_size = sizeof arguments, .x = tensor};
  wk_call copy;
  begin_call(&copy, &wk_op_table[WK_OP_CONTIGUOUS], thread);
  copy.arguments = &arguments, copy.inputs = &arguments.x, copy.input_count = 1;
  return wk_dispatch_next(NULL, &copy) == WK_OK ? copy.outputs[0] : NULL;
}

/* Row-major stand-ins for the inputs of a kernel that cannot take strides; owned references. */
static wk_status make_contiguous(const wk_call *call, wk_operand *operands, wk_tensor **copies) {
  for (int i = 0; i < call->input_count; i++) {
    wk_tensor *input = call->inputs[i];
    if (!input || wk_layout_is_contiguous(&input->layout)) continue;
    copies[i] = copy_contiguous(call->thread, input);
    if (!copies[i]) return wk_error_status();
    set_operand(&operands[i], copies[i]);
  }
  return WK_OK;
}

static wk_status run_on_copies(const wk_call *call, const wk_kernel *kernel,
                               const wk_kernel_call *kernel_call, wk_operand *operands) {
  wk_tensor *few[WK_MAX_INPUTS] = {NULL}, **copies = few;
  if (call->input_count > WK_MAX_INPUTS) {
    copies = wk_allocate_zeroed((size_t)call->input_count, sizeof *copies);
    if (!copies) return wk_error_status();
  }
  wk_status status = make_contiguous(call, operands, copies);
  if (status == WK_OK) status = wk_kernel_run(kernel, kernel_call);
  release_all(copies, call->input_count);
  if (copies != few) wk_deallocate(copies);
  return status;
}

static wk_status check_writable(const wk_call *call) {
  wk_status status = WK_OK;
  for (int i = 0; i < call->input_count && status == WK_OK; i++) {
    if (wk_op_input_at(call->op, i)->written && call->inputs[i])
      status = wk_tensor_check_writable(call->inputs[i]);
  }
  return status;
}

static void mark_written(const wk_call *call) {
  for (int i = 0; i < call->input_count; i++) {
    if (wk_op_input_at(call->op, i)->written && call->inputs[i]) {
      wk_tensor_mark_written(call->inputs[i]);
    }
  }
}

static wk_status run_kernel(wk_call *call, wk_device *device, wk_operand *inputs) {
  wk_operand outputs[WK_MAX_OUTPUTS];
  for (int i = 0; i < call->input_count; i++) set_operand(&inputs[i], call->inputs[i]);
  for (int i = 0; i < call->op->output_count; i++) set_operand(&outputs[i], call->outputs[i]);
  const wk_kernel_call kernel_call = {.op = call->op,
                                      .arguments = call->arguments,
                                      .inputs = inputs,
                                      .input_count = call->input_count,
                                      .outputs = outputs,
                                      .output_count = call->op->output_count,
                                      .stream = &device->stream};
  const wk_kernel *kernel = wk_kernel_find(device, &kernel_call);
  if (!kernel) return wk_error_status();
  if (!call->thread->kernel_chosen) call->thread->kernel_chosen = kernel;
  return kernel->habits & WK_TAKES_STRIDES ? wk_kernel_run(kernel, &kernel_call)
                                           : run_on_copies(call, kernel, &kernel_call, inputs);
}

wk_status wk_call_execute(wk_call *call) {
  wk_tracer *const tracer = call->thread->tracing;
  if (tracer) return tracer->call(tracer, call);
  wk_device *device = wk_call_device(call);
  bool nothing_to_do = call->op->output_count > 0;
  for (int i = 0; i < call->op->output_count; i++) {
    call->outputs[i] = wk_tensor_create(&call->layouts[i], device);
    if (!call->outputs[i]) return wk_error_status();
    nothing_to_do = nothing_to_do && call->outputs[i]->root->storage->size == 0;
  }
  if (nothing_to_do) return WK_OK;
  wk_operand few[WK_MAX_INPUTS], *inputs = few;
  if (call->input_count > WK_MAX_INPUTS) {
    inputs = wk_allocate((size_t)call->input_count * sizeof *inputs);
    if (!inputs) return wk_error_status();
  }
  const wk_status status = run_kernel(call, device, inputs);
  if (inputs != few) wk_deallocate(inputs);
  return status;
}

static wk_status execute_view(wk_call *call) {
  wk_tensor *base =
      call->view_of_copy ? copy_contiguous(call->thread, call->inputs[0]) : call->inputs[0];
  if (!base) return wk_error_status();
  call->outputs[0] = wk_tensor_on_root(base->root, &call->layouts[0], call->view_offset);
  if (call->view_of_copy) wk_tensor_release(base);
  return call->outputs[0] ? WK_OK : wk_error_status();
}

static wk_status execute(wk_call *call) {
  const wk_op *op = call->op;
  wk_status status = op->infer(call);
  if (status == WK_OK && op->class == WK_CLASS_UPDATE) status = check_writable(call);
  if (status == WK_OK && op->class == WK_CLASS_RANDOM) status = draw_key(call);
  if (status != WK_OK) return status;
  status = op->class == WK_CLASS_VIEW ? execute_view(call) : wk_call_execute(call);
  if (status != WK_OK) {
    release_all(call->outputs, op->output_count);
    return status;
  }
  if (op->class == WK_CLASS_UPDATE) mark_written(call);
  for (int i = 0; i < op->output_count; i++) {
    call->outputs[i]->producer = op->name;
    call->outputs[i]->module_path = call->thread->module_path;
  }
  return WK_OK;
}

wk_status wk_dispatch_next(const wk_dispatch_layer *const *layer, wk_call *call) {
  if (layer && layer[1]) return layer[1]->call(&layer[1], call);
  return execute(call);
}

/* ---- the caller's end ---- */

static wk_status wrong_dtype(const wk_op_input *input, wk_dtype dtype) {
  char names[64] = "";
  size_t used = 0;
  wk_dtype first = WK_DTYPE_DEFAULT;
  for (wk_dtype d = WK_F32; wk_dtype_size(d); d++) {
    if (!(input->dtypes >> d & 1)) continue;
    if (!first) first = d;
    const bool last = !(input->dtypes >> (d + 1));
    used = wk_print_into(names, sizeof names, used, "%s%s",
                         !used  ? ""
                         : last ? " or "
                                : ", ",
                         wk_dtype_name(d));
  }
  wk_fail(WK_ERROR_DTYPE, "%s is %s, but must be %s", input->name, wk_dtype_name(dtype), names);
  char upper[8] = "";
  for (size_t i = 0; i + 1 < sizeof upper && wk_dtype_name(first)[i]; i++)
    upper[i] = (char)toupper((unsigned char)wk_dtype_name(first)[i]);
  wk_error_add_hint("wk_cast(%s, WK_%s) converts it", input->name, upper);
  return WK_ERROR_DTYPE;
}

static wk_status check_input(const wk_op *op, const wk_op_input *input, wk_tensor *tensor,
                             wk_dtype *same) {
  if (!tensor) {
    if (input->optional) return WK_OK;
    wk_fail(WK_ERROR_ARGUMENT, "%s of %s is NULL", input->name, op->name);
    wk_error_add_hint("%s has to be given; only optional operands may be NULL", input->name);
    return WK_ERROR_ARGUMENT;
  }
  const wk_dtype dtype = tensor->layout.dtype;
  if (!(input->dtypes >> dtype & 1)) {
    return wrong_dtype(input, dtype);
  }
  if (!input->same_dtype) return WK_OK;
  if (*same == WK_DTYPE_DEFAULT) *same = dtype;
  if (*same == dtype) return WK_OK;
  wk_fail(WK_ERROR_DTYPE, "%s is %s, but the tensors before it are %s", input->name,
          wk_dtype_name(dtype), wk_dtype_name(*same));
  wk_error_add_hint("convert one of them with wk_cast");
  return WK_ERROR_DTYPE;
}

static wk_status check_inputs(const wk_op *op, wk_tensor **inputs, int count) {
  wk_dtype same = WK_DTYPE_DEFAULT;
  wk_device *device = NULL;
  for (int i = 0; i < count; i++) {
    const wk_op_input *input = wk_op_input_at(op, i);
    const wk_status status = check_input(op, input, inputs[i], &same);
    if (status != WK_OK) return status;
    if (!inputs[i]) continue;
    wk_device *on = wk_tensor_device_of(inputs[i]);
    if (device && on != device) {
      wk_fail(WK_ERROR_DEVICE, "%s is on %s, but the tensors before it are on %s", input->name,
              on->name, device->name);
      wk_error_add_hint("wk_tensor_to copies a tensor to another device");
      return WK_ERROR_DEVICE;
    }
    device = on;
  }
  return WK_OK;
}

/* Whether there is nothing for check_inputs to find, and nothing to promote: in most calls. */
static bool inputs_agree(const wk_op *op, wk_tensor *const *inputs, int count) {
  if (count == 0) return true;
  if (!inputs[0]) return false;
  const wk_dtype dtype = inputs[0]->layout.dtype;
  const wk_device *device = wk_tensor_device_of(inputs[0]);
  for (int i = 0; i < count; i++) {
    const wk_tensor *input = inputs[i];
    if (!input || input->weak || input->layout.dtype != dtype ||
        wk_tensor_device_of(input) != device || !(wk_op_input_at(op, i)->dtypes >> dtype & 1))
      return false;
  }
  return true;
}

static const char *input_name(const wk_call *call, int index) {
  return wk_op_input_at(call->op, index)->name;
}

/* Of the longest name, so that the shapes stand below each other. */
static int name_width(const wk_call *call) {
  int width = 0;
  for (int i = 0; i < call->input_count && i < WK_MAX_INPUTS; i++) {
    const int length = call->inputs[i] ? (int)strlen(input_name(call, i)) : 0;
    if (length > width) width = length;
  }
  return width;
}

size_t wk_call_describe_input(const wk_call *call, int index, char *buffer, size_t size) {
  const wk_tensor *tensor = call->inputs[index];
  char shape[128];
  wk_layout_describe(&tensor->layout, shape, sizeof shape);
  const size_t used =
      wk_print_into(buffer, size, 0, "%-*s %s", name_width(call), input_name(call, index), shape);
  if (tensor->name) return wk_print_into(buffer, size, used, "   %s", tensor->name);
  if (!tensor->producer) return used;
  const char *path = tensor->module_path;
  return wk_print_into(buffer, size, used, path ? "   from %s at %s" : "   from %s",
                       tensor->producer, path);
}

static void describe_inputs(const wk_call *call) {
  char text[1024], line[384];
  size_t used = 0;
  for (int i = 0; i < call->input_count && i < WK_MAX_INPUTS; i++) {
    if (!call->inputs[i]) continue;
    wk_call_describe_input(call, i, line, sizeof line);
    used = wk_print_into(text, sizeof text, used, "%s%s", used ? "\n" : "", line);
  }
  if (used) wk_error_add_shapes(text);
}

/* What fails in the hidden parts of a composite is told as a failure of its own. */
static void explain_failure(const wk_call *call) {
  if (call->thread->in_composite && call->op->hidden) return;
  wk_error_add_op(call->op->name);
  if (call->thread->module_path) wk_error_add_module(call->thread->module_path);
  wk_error_add_place(call->here);
  describe_inputs(call);
}

/* A composite runs in a scope of its own, so that what it makes on the way is freed at once. */
static wk_status run_composite(wk_call *call) {
  wk_scope scope = wk_scope_open();
  wk_thread *const thread = call->thread;
  const wk_place *const place_before = thread->place_above;
  const bool nested = thread->in_composite;
  thread->place_above = &call->here;
  thread->in_composite = true;
  wk_status status = call->op->composite(call);
  thread->in_composite = nested;
  thread->place_above = place_before;
  if (status != WK_OK) wk_error_rise();
  for (int i = 0; i < call->op->output_count; i++) {
    if (status == WK_OK)
      wk_tensor_retain(call->outputs[i]);
    else
      call->outputs[i] = NULL;
  }
  wk_scope_close(&scope);
  return status;
}

static bool is_recorded(const wk_call *call) {
  for (int i = 0; call->thread->gradients_recorded && i < call->input_count; i++) {
    if (wk_wants_gradient(call->inputs[i])) return true;
  }
  return false;
}

/* Whether a composite is to be run as what it stands for. */
static bool is_taken_apart(const wk_call *call) {
  const wk_op *op = call->op;
  if (!op->infer || !wk_kernel_exists(wk_call_device(call), op->id)) return true;
  if (op->is_native && !op->is_native(call)) return true;
  return !op->vjp && is_recorded(call);
}

static wk_status run_checked(wk_call *call) {
  if (call->op->composite && is_taken_apart(call)) return run_composite(call);
  const wk_dispatch_layer *const *layers =
      call->thread->layers ? call->thread->layers : wk_default_layers;
  return layers[0] ? layers[0]->call(layers, call) : execute(call);
}

static wk_status run_call(wk_call *call) {
  const wk_status status = check_inputs(call->op, call->inputs, call->input_count);
  return status == WK_OK ? run_checked(call) : status;
}

/* The inputs cast as autocast and promotion want them. What runs then, if autocast has said its
 * say, is one op to it, whatever it is made of. */
static wk_status run_cast(wk_call *call, wk_tensor **cast) {
  const wk_op *op = call->op;
  wk_thread *const thread = call->thread;
  const wk_place *const place_before = thread->place_above;
  const unsigned autocast = thread->autocasting;
  memcpy(cast, call->inputs, (size_t)call->input_count * sizeof *cast);
  thread->place_above = &call->here;
  wk_status status = autocast ? wk_autocast_inputs(op, cast, call->input_count) : WK_OK;
  if (status == WK_OK && wk_must_promote(op, cast, call->input_count))
    status = wk_promote_inputs(op, cast, call->input_count, cast);
  thread->place_above = place_before;
  wk_tensor **const given = call->inputs;
  call->inputs = cast;
  if (op->autocast != WK_AUTOCAST_JOIN) thread->autocasting = WK_DTYPE_DEFAULT;
  if (status == WK_OK) status = run_call(call);
  thread->autocasting = autocast;
  call->inputs = given;
  return status;
}

/* What the casts make on the way is freed at once. */
static wk_status run_promoted(wk_call *call) {
  wk_tensor *few[WK_MAX_INPUTS], **promoted = few;
  if (call->input_count > WK_MAX_INPUTS) {
    promoted = wk_allocate_zeroed((size_t)call->input_count, sizeof *promoted);
    if (!promoted) return wk_error_status();
  }
  wk_scope scope = wk_scope_open();
  const wk_status status = run_cast(call, promoted);
  wk_scope_close(&scope);
  if (promoted != few) wk_deallocate(promoted);
  return status;
}

/* The tensors of a list behind `single` others, in `few`. Without others the list is used where it
 * is; what does not fit in `few` is allocated. */
static wk_status gather_list(wk_call *call, int single, wk_tensor **few) {
  const wk_op_input *last = &call->op->inputs[single];
  wk_tensors list;
  memcpy(&list, (const char *)call->arguments + last->offset, sizeof list);
  if (list.count > 0 && !list.item)
    return wk_fail(WK_ERROR_ARGUMENT, "%s of %s is NULL", last->name, call->op->name);
  if (list.count > INT32_MAX - WK_MAX_INPUTS) return wk_fail(WK_ERROR_ARGUMENT, "too many tensors");
  const int count = single + (int)list.count;
  wk_tensor **inputs = single ? few : list.item;
  if (single && count > WK_MAX_INPUTS) {
    inputs = wk_allocate((size_t)count * sizeof *inputs);
    if (!inputs) return wk_error_status();
    for (int i = 0; i < single && i < WK_MAX_INPUTS; i++) inputs[i] = few[i];
  }
  if (single && list.count > 0) memcpy(inputs + single, list.item, list.count * sizeof *few);
  call->inputs = inputs, call->input_count = count;
  return WK_OK;
}

/* The call's inputs: the fields of the arguments, and behind them the tensors of a list. */
static wk_status gather_inputs(wk_call *call, wk_tensor **few) {
  const wk_op *op = call->op;
  const char *arguments = call->arguments;
  const int last = op->input_count - 1;
  const bool has_list = last >= 0 && op->inputs[last].list;
  const int single = has_list ? last : op->input_count;
  for (int i = 0; i < single; i++) memcpy(&few[i], arguments + op->inputs[i].offset, sizeof few[i]);
  if (has_list) return gather_list(call, single, few);
  call->inputs = few, call->input_count = single;
  return WK_OK;
}

static wk_status run_gathered(wk_call *call) {
  const wk_op *op = call->op;
  const bool cast =
      call->thread->autocasting && wk_autocast_applies(op, call->inputs, call->input_count);
  if (!cast && inputs_agree(op, call->inputs, call->input_count)) return run_checked(call);
  if (cast || wk_must_promote(op, call->inputs, call->input_count)) return run_promoted(call);
  return run_call(call);
}

static wk_status run_op(const wk_op *op, wk_place here, const void *arguments, wk_late late,
                        wk_tensor **outputs) {
  wk_thread *const thread = WK_THREAD;
  wk_status status = thread->error;
  alignas(16) char resolved[WK_MAX_ARGUMENTS_SIZE];
  wk_tensor *few[WK_MAX_INPUTS];
  wk_call call;
  begin_call(&call, op, thread);
  if (status >= 0) {
    call.here = thread->place_above ? *thread->place_above : here;
    call.late = late;
    call.arguments =
        (void *)(uintptr_t)wk_settings_resolved(&op->settings, op->name, arguments, resolved);
    status = call.arguments ? gather_inputs(&call, few) : thread->error;
    if (status == WK_OK) status = run_gathered(&call);
    if (status != WK_OK) explain_failure(&call);
    if (op->input_count > 1 && call.input_count > WK_MAX_INPUTS) wk_deallocate(call.inputs);
  }
  for (int i = 0; i < op->output_count; i++) outputs[i] = status == WK_OK ? call.outputs[i] : NULL;
  return status;
}

wk_status wk_op_run(const wk_op *op, wk_place here, const void *arguments, wk_tensor **outputs) {
  return run_op(op, here, arguments, (wk_late){.run = NULL}, outputs);
}

/* ---- while a function is traced ---- */

wk_status wk_host_step(wk_late late, wk_tensor *read) {
  if (wk_failed()) return wk_error_status();
  if (wk_tracing && (wk_tracing->host(wk_tracing, late, read) != WK_OK || read))
    return wk_error_status();
  double value = read ? wk_item(read) : 0;
  if (!wk_failed()) late.run(late.object, late.detail, read ? &value : NULL);
  return wk_error_status();
}

wk_status wk_op_run_late(const wk_op *op, wk_place here, const void *arguments, wk_late late) {
  return run_op(op, here, arguments, late, NULL);
}

/* ---- results in scopes, and calls by name ---- */

static void explain_no_scope(const wk_op *op, wk_place here) {
  wk_error_add_op(op->name);
  wk_error_add_place(here);
}

wk_status wk_op_run_all_in_scope(const wk_op *op, wk_place here, const void *arguments,
                                 wk_tensor **results) {
  if (wk_op_run(op, here, arguments, results) != WK_OK) return wk_error_status();
  bool all_owned = true;
  for (int i = 0; i < op->output_count; i++) {
    results[i] = wk_scope_add(results[i]);
    all_owned = all_owned && results[i];
  }
  if (all_owned || !wk_failed()) return WK_OK;
  for (int i = 0; i < op->output_count; i++) results[i] = NULL;
  explain_no_scope(op, here);
  return wk_error_status();
}

wk_tensor *wk_op_run_in_scope(const wk_op *op, wk_place here, const void *arguments) {
  wk_tensor *result;
  if (wk_op_run(op, here, arguments, &result) != WK_OK) return NULL;
  result = wk_scope_add(result);
  if (!result) explain_no_scope(op, here);
  return result;
}

wk_status wk_call_op(wk_place here, const char *name, const void *arguments, wk_tensor **outputs,
                     size_t count) {
  if (wk_failed()) return wk_error_status();
  const wk_op *op = name ? wk_op_find(name) : NULL;
  if (!name || !arguments || (count > 0 && !outputs))
    wk_fail(WK_ERROR_ARGUMENT, "the op's name, arguments or outputs are NULL");
  else if (!op || op->hidden)
    wk_fail(WK_ERROR_NOT_FOUND, "there is no op called %s", name);
  else if ((size_t)op->output_count != count)
    wk_fail(WK_ERROR_ARGUMENT, "%s has %d outputs, not %zu", name, op->output_count, count);
  else
    return wk_op_run(op, here, arguments, outputs);
  wk_error_add_call("call_op", here);
  return wk_error_status();
}

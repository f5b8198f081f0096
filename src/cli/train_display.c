/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/train_display.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/command.h"

/* Seconds between two drawings of the bar, two lines within an epoch, two JSON objects. */
static const double bar_seconds = 0.1, line_seconds = 10, json_seconds = 1;

void wk_train_display_begin(wk_train_display *display, bool json) {
  const char *kind = getenv("TERM");
  *display = (wk_train_display){.json = json,
                                .terminal = !json && isatty(STDOUT_FILENO) && kind &&
                                            strcmp(kind, "dumb") != 0};
}

static int terminal_width(void) {
  struct winsize size;
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

/* ---- pieces of text ---- */

/* Time until the last epoch's end, going on as in this run so far. */
static void format_time_left(const wk_train_display *display, const wk_progress *p, char *text,
                             size_t size) {
  const int64_t done = p->step - display->first_step;
  const int64_t left = (p->epochs - p->epoch) * p->batches + p->batches - p->batch;
  const double seconds = done > 0 ? p->seconds / (double)done * (double)left : 0;
  const long long whole = (long long)(seconds + 0.5);
  if (whole >= 3600)
    wk_print_into(text, size, 0, "%lld:%02lld:%02lld", whole / 3600, whole / 60 % 60, whole % 60);
  else
    wk_print_into(text, size, 0, "%lld:%02lld", whole / 60, whole % 60);
}

static size_t print_scores(char *text, size_t size, const char *what, double loss,
                           double accuracy) {
  size_t used = wk_print_into(text, size, 0, "%sloss %.4f", what, loss);
  if (!isnan(accuracy))
    used = wk_print_into(text, size, used, "  %saccuracy %.2f%%", what, 100 * accuracy);
  return used;
}

/* "512/938  5,120/s  ETA 0:21  loss 0.5123  accuracy 81.55%" */
static size_t print_step(const wk_train_display *display, const wk_progress *p, char *text,
                         size_t size) {
  char rate[32], left[32], scores[64];
  wk_format_count(rate, sizeof rate, (int64_t)p->examples_per_second);
  format_time_left(display, p, left, sizeof left);
  print_scores(scores, sizeof scores, "", p->loss, p->accuracy);
  const int digits = (int)wk_print_into(NULL, 0, 0, "%lld", (long long)p->batches);
  return wk_print_into(text, size, 0, "%*lld/%lld  %s/s  ETA %s  %s", digits, (long long)p->batch,
                       (long long)p->batches, rate, left, scores);
}

/* ---- showing ---- */

static void draw_bar(const wk_train_display *display, const wk_progress *p) {
  enum { LONGEST = 40, SHORTEST = 5 };
  char head[48], tail[160], bar[LONGEST + 1];
  const size_t head_length = wk_print_into(head, sizeof head, 0, "epoch %lld/%lld ",
                                           (long long)p->epoch, (long long)p->epochs);
  const size_t tail_length = print_step(display, p, tail, sizeof tail);
  const int width = terminal_width();
  int length = width - (int)(head_length + tail_length) - 4; /* brackets and two blanks */
  if (length > LONGEST) length = LONGEST;
  if (length < SHORTEST) { /* no room for a bar */
    printf("\r%s%.*s\033[K", head, width > (int)head_length ? width - (int)head_length - 1 : 0,
           tail);
  } else {
    const int full = (int)(p->batch * length / p->batches);
    for (int i = 0; i < length; i++) bar[i] = i < full ? '=' : i == full ? '>' : ' ';
    bar[length] = '\0';
    printf("\r%s[%s] %s\033[K", head, bar, tail);
  }
  fflush(stdout);
}

static void print_epoch(const wk_train_display *display, const wk_progress *p) {
  char scores[64], unseen[64];
  print_scores(scores, sizeof scores, "", p->loss, p->accuracy);
  print_scores(unseen, sizeof unseen, "test ", p->validation_loss, p->validation_accuracy);
  printf("%sepoch %lld/%lld  %s  %s  %.1f s\n", display->terminal ? "\r\033[K" : "",
         (long long)p->epoch, (long long)p->epochs, scores, unseen, p->seconds);
  fflush(stdout);
}

static void print_object(const wk_progress *p, const char *event) {
  json_t *object =
      json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o}", "event", event, "epoch",
                (json_int_t)p->epoch, "epochs", (json_int_t)p->epochs, "batch",
                (json_int_t)p->batch, "batches", (json_int_t)p->batches, "step",
                (json_int_t)p->step, "loss", wk_json_number(p->loss), "accuracy",
                wk_json_number(p->accuracy), "examples_per_second",
                wk_json_number(p->examples_per_second), "seconds", wk_json_number(p->seconds));
  if (p->kind == WK_PROGRESS_EPOCH) {
    json_object_set_new(object, "test_loss", wk_json_number(p->validation_loss));
    json_object_set_new(object, "test_accuracy", wk_json_number(p->validation_accuracy));
  }
  wk_print_json(object);
}

static void show_step(wk_train_display *display, const wk_progress *p) {
  const double pause = display->json       ? json_seconds
                       : display->terminal ? bar_seconds
                                           : line_seconds;
  if (p->seconds - display->last_shown < pause) return;
  display->last_shown = p->seconds;
  if (display->json) {
    print_object(p, "step");
  } else if (display->terminal) {
    draw_bar(display, p);
  } else {
    char text[160];
    print_step(display, p, text, sizeof text);
    printf("epoch %lld/%lld  %s\n", (long long)p->epoch, (long long)p->epochs, text);
    fflush(stdout);
  }
}

void wk_train_display_show(wk_train_display *display, const wk_progress *p) {
  switch (p->kind) {
  case WK_PROGRESS_BEGIN:
    display->first_step = p->step;
    break;
  case WK_PROGRESS_STEP:
    show_step(display, p);
    break;
  case WK_PROGRESS_EPOCH:
    if (display->json)
      print_object(p, "epoch");
    else
      print_epoch(display, p);
    display->last_shown = p->seconds;
    break;
  case WK_PROGRESS_END:
    if (display->terminal) printf("\r\033[K");
    break;
  }
}

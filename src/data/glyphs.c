/* SPDX-License-Identifier: Apache-2.0 */

/* Digits as if written by hand, made by this file alone. Each is drawn from strokes that are bent,
 * turned, stretched and inked by random numbers which depend on (seed, part, index) only, so that
 * any one can be made on its own. Only +, -, *, / and square roots are used: these are exact
 * everywhere, so the same seed gives the same bytes on every machine. */

#include <math.h>

#include "base/error.h"
#include "base/parallel.h"
#include "base/random.h"
#include "data/images.h"
#include "data/shuffle.h"

enum {
  SIDE = 28,
  PIXELS = SIDE * SIDE,
  CLASSES = 10,
  TRAINING = 10000,
  TESTING = 2000,
  STEPS = 8,      /* straight pieces between two points of a stroke */
  MAX_POINTS = 16 /* of one stroke */
};

/* ---- what digits look like ---- */

typedef struct point {
  float x, y;
} point;

/* A way to write a digit: smooth strokes through points x, y in hundredths of a square, y
 * downwards. UP lifts the pen: the next point begins another stroke. */
typedef int8_t form;
enum { UP = -1, END = -2 };

static const form zero_round[] = {50, 5,  20, 20, 12, 50, 20, 80, 50, 95,
                                  80, 80, 88, 50, 80, 20, 50, 5,  END};
static const form zero_narrow[] = {55, 5,  33, 22, 25, 52, 31, 82, 50, 95,
                                   70, 80, 76, 50, 70, 18, 48, 6,  END};
static const form one_plain[] = {52, 5, 50, 50, 48, 95, END};
static const form one_serif[] = {32, 24, 45, 16, 56, 5, UP, 56, 5, 54, 95, END};
static const form two_open[] = {20, 26, 34, 8,  60, 6,  77, 26, 65, 50, 40,
                                72, 17, 93, UP, 17, 93, 50, 92, 84, 94, END};
static const form two_loop[] = {22, 22, 45, 5,  72, 15, 72, 40, 50, 68, 27, 90, 16,
                                82, 28, 74, 46, 84, 66, 94, 80, 91, 88, 80, END};
static const form three_round[] = {20, 14, 48, 5,  75, 18, 70, 38, 42, 48, UP,
                                   42, 48, 74, 57, 80, 78, 52, 95, 17, 85, END};
static const form three_flat[] = {20, 7,  78, 7,  UP, 78, 7,  46, 42, UP,
                                  46, 42, 78, 58, 70, 88, 20, 90, END};
static const form four_closed[] = {62, 5,  38, 36, 14, 66, UP, 14, 66,
                                   90, 64, UP, 66, 36, 62, 96, END};
static const form four_open[] = {22, 8,  19, 34, 26, 53, 50, 56, 80,
                                 50, UP, 79, 8,  77, 50, 72, 96, END};
static const form five_sharp[] = {80, 7,  30, 7,  UP, 30, 7,  24, 42, UP, 24, 42,
                                  50, 37, 77, 50, 77, 77, 52, 95, 17, 86, END};
static const form five_smooth[] = {78, 10, 42, 8,  28, 28, 38, 45, 70,
                                   52, 76, 78, 48, 95, 18, 84, END};
static const form six_round[] = {70, 6,  42, 22, 22, 55, 28, 85, 52, 95,
                                 76, 80, 72, 58, 48, 50, 25, 66, END};
static const form six_straight[] = {52, 4,  34, 40, 26, 74, 46, 95, 70,
                                    84, 68, 62, 46, 56, 28, 72, END};
static const form seven_plain[] = {15, 10, 50, 9, 84, 8, UP, 84, 8, 58, 50, 42, 95, END};
static const form seven_crossed[] = {15, 12, 50, 9,  84, 9,  UP, 84, 9,  58,
                                     50, 44, 95, UP, 32, 52, 78, 49, END};
static const form eight_one[] = {50, 48, 25, 30, 32, 10, 50, 5,  70, 10, 75, 30, 50, 48,
                                 22, 68, 25, 88, 50, 96, 76, 88, 78, 68, 50, 48, END};
static const form eight_two[] = {72, 18, 50, 5,  28, 18, 36, 38, 62, 54, 76, 76, 62, 94,
                                 38, 94, 26, 76, 40, 54, 64, 38, 74, 24, 70, 14, END};
static const form nine_curved[] = {76, 28, 55, 47, 30, 42, 22, 22, 42, 6,
                                   68, 10, 76, 28, 74, 62, 58, 95, END};
static const form nine_straight[] = {72, 20, 50, 6,  28, 18, 28, 38, 48, 48, 72,
                                     34, UP, 74, 10, 72, 34, 70, 64, 68, 95, END};

enum { FORMS = 2 };
static const form *const forms[CLASSES][FORMS] = {
    {zero_round, zero_narrow},    {one_plain, one_serif},       {two_open, two_loop},
    {three_round, three_flat},    {four_closed, four_open},     {five_sharp, five_smooth},
    {six_round, six_straight},    {seven_plain, seven_crossed}, {eight_one, eight_two},
    {nine_curved, nine_straight},
};

/* ---- one glyph's random numbers ---- */

typedef struct source {
  uint64_t seed, stream, counter;
  wk_philox_block block;
  int used; /* words of the block */
} source;

/* How far apart glyphs are in the stream: one draws about 230 blocks of 4 words. */
#define BLOCKS_PER_GLYPH 1024

static source open_source(uint64_t seed, bool test, int64_t index) {
  return (source){.seed = seed,
                  .stream = WK_STREAM_GLYPHS + (test ? 1 : 0),
                  .counter = (uint64_t)index * BLOCKS_PER_GLYPH,
                  .used = 4};
}

static uint32_t draw_word(source *from) {
  if (from->used == 4) {
    from->block = wk_philox(from->seed, from->counter++, from->stream);
    from->used = 0;
  }
  return from->block.word[from->used++];
}

static float draw(source *from, float low, float high) {
  return low + (high - low) * wk_random_unit_float(draw_word(from));
}

/* Bell-shaped in [-1, 1]: small values are likelier than large ones. */
static float draw_bell(source *from) {
  return (draw(from, -1, 1) + draw(from, -1, 1) + draw(from, -1, 1)) * (1.0f / 3);
}

/* ---- how one hand writes ---- */

/* From the unit square to pixels: a bend, then slant, turn, stretch and shift. */
typedef struct hand {
  float bend[6];
  float xx, xy, yx, yy, x, y;
  float radius, ink;
} hand;

static hand draw_hand(source *from) {
  hand h;
  for (int i = 0; i < 6; i++) h.bend[i] = 0.28f * draw_bell(from);
  const float t = 0.20f * draw_bell(from); /* tangent of half the angle */
  const float cosine = (1 - t * t) / (1 + t * t), sine = 2 * t / (1 + t * t);
  const float slant = 0.08f + 0.50f * draw_bell(from);
  const float width = draw(from, 4.8f, 9.2f), height = draw(from, 7.2f, 10.6f);
  h.xx = cosine * width;
  h.xy = cosine * -slant * width - sine * height;
  h.yx = sine * width;
  h.yy = sine * -slant * width + cosine * height;
  h.x = 0.5f * (SIDE - 1) + 2.8f * draw_bell(from);
  h.y = 0.5f * (SIDE - 1) + 2.4f * draw_bell(from);
  h.radius = draw(from, 0.50f, 1.60f);
  h.ink = draw(from, 140, 255);
  return h;
}

static point place(const hand *h, point p) {
  const float u = 2 * p.x - 1, v = 2 * p.y - 1; /* -1 to 1 about the middle */
  const float bent_u = u + h->bend[0] * u * v + h->bend[1] * v * v + h->bend[2] * v * v * v;
  const float bent_v = v + h->bend[3] * u * v + h->bend[4] * u * u + h->bend[5] * u * u * u;
  return (point){h->x + h->xx * bent_u + h->xy * bent_v, h->y + h->yx * bent_u + h->yy * bent_v};
}

/* ---- drawing ---- */

static float clamp(float value, float low, float high) {
  return value < low ? low : value > high ? high : value;
}

/* Distance of (x, y) from the piece a to b. */
static float distance(point a, point b, float x, float y) {
  const float dx = b.x - a.x, dy = b.y - a.y, length = dx * dx + dy * dy;
  const float along = length > 0 ? ((x - a.x) * dx + (y - a.y) * dy) / length : 0;
  const float t = clamp(along, 0, 1);
  const float ex = a.x + t * dx - x, ey = a.y + t * dy - y;
  return sqrtf(ex * ex + ey * ey);
}

/* Inks the pixels near a straight piece; edges fade over one pixel. */
static void draw_piece(float *canvas, point a, point b, float radius) {
  const float reach = radius + 1;
  const int left = (int)clamp((a.x < b.x ? a.x : b.x) - reach, 0, SIDE - 1);
  const int right = (int)clamp((a.x > b.x ? a.x : b.x) + reach, 0, SIDE - 1);
  const int top = (int)clamp((a.y < b.y ? a.y : b.y) - reach, 0, SIDE - 1);
  const int bottom = (int)clamp((a.y > b.y ? a.y : b.y) + reach, 0, SIDE - 1);
  for (int y = top; y <= bottom; y++)
    for (int x = left; x <= right; x++) {
      const float cover = clamp(0.5f + radius - distance(a, b, (float)x, (float)y), 0, 1);
      if (cover > canvas[y * SIDE + x]) canvas[y * SIDE + x] = cover;
    }
}

/* A Catmull-Rom curve between b and c, whose neighbours are a and d. */
static point curve(point a, point b, point c, point d, float t) {
  const float wa = ((-t + 2) * t - 1) * t * 0.5f, wb = ((3 * t - 5) * t * t + 2) * 0.5f;
  const float wc = ((-3 * t + 4) * t + 1) * t * 0.5f, wd = (t - 1) * t * t * 0.5f;
  return (point){wa * a.x + wb * b.x + wc * c.x + wd * d.x,
                 wa * a.y + wb * b.y + wc * c.y + wd * d.y};
}

static void draw_stroke(float *canvas, const point *points, int count, float radius) {
  for (int i = 0; i + 1 < count; i++) {
    const point a = points[i > 0 ? i - 1 : 0], b = points[i], c = points[i + 1];
    const point d = points[i + 2 < count ? i + 2 : count - 1];
    point from = b;
    for (int step = 1; step <= STEPS; step++) {
      const point to = curve(a, b, c, d, (float)step / STEPS);
      draw_piece(canvas, from, to, radius);
      from = to;
    }
  }
}

/* Draws every stroke of the form. Points within a stroke tremble; its ends stay, where others join.
 */
static void draw_form(float *canvas, const form *shape, const hand *h, source *from) {
  point points[MAX_POINTS];
  int count = 0;
  for (; *shape != END; shape += *shape == UP ? 1 : 2) {
    if (*shape == UP) {
      draw_stroke(canvas, points, count, h->radius);
      count = 0;
      continue;
    }
    point p = {0.01f * shape[0], 0.01f * shape[1]};
    if (count > 0 && shape[2] >= 0) {
      p.x += 0.08f * draw_bell(from);
      p.y += 0.08f * draw_bell(from);
    }
    points[count++] = place(h, p);
  }
  draw_stroke(canvas, points, count, h->radius);
}

/* A slip of the pen across every third glyph: what a network must learn to overlook. */
static void draw_slip(float *canvas, source *from) {
  if (wk_random_below((uint64_t)draw_word(from) << 32, 3) != 0) return;
  const point a = {draw(from, 0, SIDE - 1), draw(from, 0, SIDE - 1)};
  const point b = {a.x + draw(from, -8, 8), a.y + draw(from, -8, 8)};
  draw_piece(canvas, a, b, 0.4f);
}

/* Writes glyph `index` of the part and returns its label. */
static int64_t make_glyph(uint64_t seed, bool test, int64_t index, uint8_t *pixels) {
  source from = open_source(seed, test, index);
  float canvas[PIXELS] = {0};
  const uint32_t digit = (uint32_t)wk_random_below((uint64_t)draw_word(&from) << 32, CLASSES);
  const form *shape = forms[digit][draw_word(&from) & 1];
  const hand h = draw_hand(&from);
  draw_form(canvas, shape, &h, &from);
  draw_slip(canvas, &from);
  const float noise = draw(&from, 0, 40);
  for (int i = 0; i < PIXELS; i++)
    pixels[i] = (uint8_t)clamp(canvas[i] * h.ink + noise * draw(&from, -1, 1) + 0.5f, 0, 255);
  return digit;
}

/* ---- the set ---- */

typedef struct work {
  const wk_dataset_arguments *arguments;
  wk_images *images;
} work;

static void make_range(void *context, int64_t begin, int64_t end) {
  const work *w = context;
  for (int64_t i = begin; i < end; i++)
    w->images->labels[i] =
        make_glyph(w->arguments->seed, w->arguments->test, i, w->images->bytes + i * PIXELS);
}

wk_status wk_images_make_glyphs(const wk_dataset_arguments *arguments, wk_images *images) {
  static const char *const names[CLASSES] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
  int64_t count = arguments->test ? TESTING : TRAINING;
  if (arguments->count > 0 && arguments->count < count) count = arguments->count;
  wk_status status = wk_images_allocate(images, count, SIDE, SIDE, 1);
  if (status == WK_OK) status = wk_images_name_classes(images, names, CLASSES);
  if (status < 0) {
    wk_images_clear(images);
    return status;
  }
  work w = {arguments, images};
  wk_parallel_for(count, 64, make_range, &w);
  return WK_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "device/host_memory.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/environment.h"
#include "base/error.h"
#include "base/library.h"
#include "base/memory.h"
#include "base/text.h"
#include "device/device.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ADDRESS_SANITIZER 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define WITH_ADDRESS_SANITIZER 1
#endif
#ifdef WITH_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#define POISON(memory, size) ASAN_POISON_MEMORY_REGION(memory, size)
#define UNPOISON(memory, size) ASAN_UNPOISON_MEMORY_REGION(memory, size)
#else
#define POISON(memory, size) ((void)(memory), (void)(size))
#define UNPOISON(memory, size) ((void)(memory), (void)(size))
#endif

/* Freed blocks are kept in buckets, four to each power of two, and the last one freed, whose bytes
 * are the likeliest to be in a cache, is handed out first. What is kept is bounded: above the bound
 * the buckets that were used longest ago give their blocks back. Blocks that a bucket
 * never needed for a while go back too, so that programs whose shapes differ from call to call do
 * not collect blocks of every size: small ones soon, since malloc makes other sizes of them; those
 * in pages of their own late, since getting pages anew is slow. */

#define MAX_DEVICES 16
#define SMALLEST 64 /* bytes; also what every block is aligned to */
#define BUCKET_COUNT 256
#define LEAST_CACHE_LIMIT ((size_t)256 << 20)
#define WHILE 1024     /* requests and frees after which small blocks not needed go back */
#define LARGE_LOOKS 16 /* times that, for large ones */
#define LARGE ((size_t)2 << 20)
#define GUARD_SIZE 64
#define GUARD_BYTE 0xA5
#define FRESH_BYTE 0xFF /* NaN in every float type: shows who reads what was never written */

/* A cached block's first bytes. They stay unpoisoned, so that leak checkers can follow the list. */
typedef struct block {
  struct block *next;
} block;

typedef struct bucket {
  block *blocks;
  size_t block_size;
  uint64_t last_use;
  size_t count, least; /* of blocks: now, and the fewest since the bucket was last looked at */
} bucket;

typedef struct host_pool {
  size_t active, peak, cached;
  size_t highest; /* the most that was ever active: bounds what is cached */
  uint64_t allocations;
  uint64_t clock, next_look, looks;
  bucket buckets[BUCKET_COUNT];
} host_pool;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards the pools */
static host_pool pools[MAX_DEVICES];                     /* by device index */
static bool ends_registered;                             /* that wk_shutdown calls end_pools */
static atomic_int allocator = -1;                        /* not known yet */
static _Atomic int64_t damage;

static host_pool *pool_of(const wk_device *device) { return &pools[device->index % MAX_DEVICES]; }

wk_host_allocator wk_host_allocator_get(void) {
  int now = atomic_load_explicit(&allocator, memory_order_relaxed);
  if (now >= 0) return (wk_host_allocator)now;
  wk_at_fork_lock(&lock); /* here, since this is the first that happens */
  const char *name = wk_variable_get(WK_VARIABLE_ALLOCATOR);
  const int asked = !strcmp(name, "system")  ? WK_HOST_SYSTEM
                    : !strcmp(name, "guard") ? WK_HOST_GUARD
                                             : WK_HOST_POOL;
  return atomic_compare_exchange_strong(&allocator, &now, asked) ? (wk_host_allocator)asked
                                                                 : (wk_host_allocator)now;
}

/* ---- buckets; the caller holds the lock ---- */

/* Size and number of the smallest bucket that holds `size` bytes. */
static int find_bucket(size_t size, size_t *block_size) {
  if (size <= SMALLEST) return *block_size = SMALLEST, 0;
  /* size - 1 has its highest bit at `power`; the two bits below say which quarter it is in */
  const int power = 63 - __builtin_clzll((unsigned long long)size - 1);
  const int quarter = (int)((size - 1) >> (power - 2)) & 3;
  *block_size = (size_t)(5 + quarter) << (power - 2);
  return 4 * (power - 6) + quarter + 1;
}

static void *take_block(host_pool *pool, int index, size_t size) {
  bucket *from = &pool->buckets[index];
  from->last_use = ++pool->clock;
  block *taken = from->blocks;
  if (!taken) return NULL;
  from->blocks = taken->next;
  if (--from->count < from->least) from->least = from->count;
  pool->cached -= from->block_size;
  UNPOISON(taken, size);
  return taken;
}

static void release_one(host_pool *pool, bucket *from) {
  block *released = from->blocks;
  from->blocks = released->next;
  if (--from->count < from->least) from->least = from->count;
  pool->cached -= from->block_size;
  UNPOISON(released, from->block_size);
  wk_deallocate_block(released, from->block_size);
}

static void release_all(host_pool *pool) {
  for (int i = 0; i < BUCKET_COUNT; i++)
    while (pool->buckets[i].blocks) release_one(pool, &pool->buckets[i]);
}

static void shrink_to_limit(host_pool *pool) {
  const size_t limit = pool->highest > LEAST_CACHE_LIMIT ? pool->highest : LEAST_CACHE_LIMIT;
  while (pool->cached > limit) {
    bucket *oldest = NULL;
    for (bucket *at = pool->buckets; at < pool->buckets + BUCKET_COUNT; at++)
      if (at->blocks && (!oldest || at->last_use < oldest->last_use)) oldest = at;
    release_one(pool, oldest);
  }
}

static void release_unneeded(host_pool *pool) {
  if (pool->clock < pool->next_look) return;
  pool->next_look = pool->clock + WHILE;
  const bool large_too = ++pool->looks % LARGE_LOOKS == 0;
  for (bucket *at = pool->buckets; at < pool->buckets + BUCKET_COUNT; at++) {
    if (at->block_size >= LARGE && !large_too) continue;
    for (size_t unneeded = at->least; unneeded > 0; unneeded--) release_one(pool, at);
    at->least = at->count;
  }
}

static void keep_block(host_pool *pool, void *memory, int index, size_t block_size) {
  bucket *to = &pool->buckets[index];
  block *kept = memory;
  UNPOISON(kept, sizeof *kept); /* a request may have been for less */
  kept->next = to->blocks;
  to->blocks = kept, to->block_size = block_size, to->last_use = ++pool->clock;
  to->count++;
  pool->cached += block_size;
  POISON(kept + 1, block_size - sizeof *kept);
  shrink_to_limit(pool);
  release_unneeded(pool);
}

/* ---- guard bytes ---- */

static void *guard_block(char *raw, size_t size) {
  memset(raw, GUARD_BYTE, GUARD_SIZE);
  memset(raw + GUARD_SIZE, FRESH_BYTE, size);
  memset(raw + GUARD_SIZE + size, GUARD_BYTE, GUARD_SIZE);
  return raw + GUARD_SIZE;
}

static bool is_intact(const unsigned char *bytes) {
  for (int i = 0; i < GUARD_SIZE; i++)
    if (bytes[i] != GUARD_BYTE) return false;
  return true;
}

int64_t wk_host_guard_damage(void) { return atomic_load(&damage); }

/* ---- requests ---- */

/* Takes what an unpooled request costs from the system: the block and its guards. */
static void *allocate_unpooled(size_t size, bool guarded) {
  if (size > PTRDIFF_MAX - 2 * GUARD_SIZE) return NULL;
  char *raw = wk_try_allocate_block(guarded ? size + 2 * GUARD_SIZE : size);
  return raw && guarded ? guard_block(raw, size) : raw;
}

static void free_unpooled(char *memory, size_t size, bool guarded) {
  if (!guarded) {
    wk_deallocate_block(memory, size);
    return;
  }
  const unsigned char *bytes = (const unsigned char *)memory;
  if (!is_intact(bytes - GUARD_SIZE) || !is_intact(bytes + size)) atomic_fetch_add(&damage, 1);
  wk_deallocate_block(memory - GUARD_SIZE, size + 2 * GUARD_SIZE);
}

static void *allocate_pooled(host_pool *pool, size_t size) {
  if (size > PTRDIFF_MAX / 2) return NULL;
  size_t block_size;
  const int index = find_bucket(size, &block_size);
  void *memory = take_block(pool, index, size);
  if (memory) return memory;
  memory = wk_try_allocate_block(block_size);
  if (memory) POISON((char *)memory + size, block_size - size);
  return memory;
}

static void *try_allocate(host_pool *pool, wk_host_allocator how, size_t size) {
  return how == WK_HOST_POOL ? allocate_pooled(pool, size)
                             : allocate_unpooled(size, how == WK_HOST_GUARD);
}

static void fail_allocation(const wk_device *device, size_t size, const wk_memory_statistics *s) {
  char requested[32], active[32], cached[32], peak[32];
  wk_format_bytes(requested, sizeof requested, size);
  wk_format_bytes(active, sizeof active, s->active);
  wk_format_bytes(cached, sizeof cached, s->cached);
  wk_format_bytes(peak, sizeof peak, s->peak);
  wk_fail(WK_ERROR_MEMORY,
          "%s requested on device %s and not to be had: %s are active, %s were cached and have "
          "been given back, the peak was %s",
          requested, device->name, active, cached, peak);
  wk_error_add_hint("use a smaller batch, or close scopes sooner so that tensors are released");
}

static void end_pools(void) {
  pthread_mutex_lock(&lock);
  for (int i = 0; i < MAX_DEVICES; i++) release_all(&pools[i]);
  ends_registered = false;
  pthread_mutex_unlock(&lock);
}

static void *allocate(wk_device *device, size_t size, wk_stream *stream) {
  (void)stream;
  host_pool *pool = pool_of(device);
  const bool refused = wk_memory_must_fail();
  const wk_host_allocator how = wk_host_allocator_get();
  pthread_mutex_lock(&lock);
  if (!ends_registered) wk_at_shutdown(end_pools);
  ends_registered = true;
  pool->allocations++;
  const wk_memory_statistics before = {.active = pool->active,
                                       .peak = pool->peak,
                                       .cached = pool->cached};
  void *memory = refused ? NULL : try_allocate(pool, how, size);
  if (!memory && !refused) { /* what is kept for reuse may be what is missing */
    release_all(pool);
    memory = try_allocate(pool, how, size);
  }
  if (memory) {
    pool->active += size;
    if (pool->active > pool->peak) pool->peak = pool->active;
    if (pool->active > pool->highest) pool->highest = pool->active;
  }
  pthread_mutex_unlock(&lock);
  if (!memory) fail_allocation(device, size, &before);
  return memory;
}

static void free_memory(wk_device *device, void *memory, size_t size, wk_stream *stream) {
  (void)stream;
  if (!memory) return;
  host_pool *pool = pool_of(device);
  const wk_host_allocator how = wk_host_allocator_get();
  pthread_mutex_lock(&lock);
  pool->active -= size;
  if (how == WK_HOST_POOL) {
    size_t block_size;
    const int index = find_bucket(size, &block_size);
    keep_block(pool, memory, index, block_size);
  } else {
    free_unpooled(memory, size, how == WK_HOST_GUARD);
  }
  pthread_mutex_unlock(&lock);
}

wk_status wk_host_allocator_set(wk_host_allocator wanted) {
  if (wk_failed()) return wk_error_pending;
  size_t active = 0;
  wk_at_fork_lock(&lock);
  pthread_mutex_lock(&lock);
  for (int i = 0; i < MAX_DEVICES; i++) active += pools[i].active;
  for (int i = 0; i < MAX_DEVICES && !active; i++) release_all(&pools[i]);
  if (!active) atomic_store(&allocator, (int)wanted);
  pthread_mutex_unlock(&lock);
  if (active)
    return wk_fail(WK_ERROR_STATE, "the host allocator cannot change while memory is in use");
  return WK_OK;
}

/* ---- the rest of what a device offers ---- */

static wk_status copy(wk_device *device, void *to, const void *from, size_t size,
                      wk_stream *stream) {
  (void)device, (void)stream;
  if (size) memcpy(to, from, size);
  return WK_OK;
}

static wk_status synchronise(wk_device *device, wk_stream *stream) {
  (void)device, (void)stream;
  return WK_OK;
}

static void statistics(const wk_device *device, wk_memory_statistics *result) {
  host_pool *pool = pool_of(device);
  pthread_mutex_lock(&lock);
  result->active = pool->active, result->peak = pool->peak, result->cached = pool->cached;
  result->allocations = pool->allocations;
  pthread_mutex_unlock(&lock);
}

static void peak_reset(wk_device *device) {
  host_pool *pool = pool_of(device);
  pthread_mutex_lock(&lock);
  pool->peak = pool->active;
  pthread_mutex_unlock(&lock);
}

static void trim(wk_device *device) {
  host_pool *pool = pool_of(device);
  pthread_mutex_lock(&lock);
  release_all(pool);
  pthread_mutex_unlock(&lock);
}

const wk_device_functions wk_host_device_functions = {.struct_size = sizeof(wk_device_functions),
                                                      .allocate = allocate,
                                                      .free = free_memory,
                                                      .from_host = copy,
                                                      .to_host = copy,
                                                      .synchronise = synchronise,
                                                      .statistics = statistics,
                                                      .peak_reset = peak_reset,
                                                      .trim = trim};

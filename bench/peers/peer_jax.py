# SPDX-License-Identifier: Apache-2.0
"""JAX's side of `wick bench --peers`: a compiled training step, which is its idiom."""
import os

threads_set = 0


def set_threads(threads):
    """Once only: XLA reads its flags when it is loaded; more threads than one are all there are."""
    global threads_set
    if not threads_set and threads == 1:
        os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    threads_set = threads_set or threads
    if threads != threads_set:
        raise NotImplementedError(f"{threads} threads after {threads_set}")


def prepare(question):
    if question["what"] != "mlp":
        raise NotImplementedError(question["what"])
    import jax
    import jax.numpy as jnp

    keys = jax.random.split(jax.random.key(1), 4)
    x = jax.random.uniform(keys[0], (64, 784))
    y = jax.random.randint(keys[1], (64,), 0, 10)
    state = [jax.random.normal(keys[2], (784, 128)) / 28, jnp.zeros(128),
             jax.random.normal(keys[3], (128, 10)) / 11, jnp.zeros(10)]

    def loss_of(state):
        logits = jax.nn.relu(x @ state[0] + state[1]) @ state[2] + state[3]
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], 1))

    def update(state):
        loss, gradients = jax.value_and_grad(loss_of)(state)
        return loss, [value - 0.01 * gradient for value, gradient in zip(state, gradients)]

    compiled = jax.jit(update, donate_argnums=0)

    def step():
        nonlocal state
        loss, state = compiled(state)
        return float(loss)

    return [step]

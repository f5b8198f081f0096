# SPDX-License-Identifier: Apache-2.0
"""TensorFlow's side of `wick bench --peers`: a compiled training step, which is its idiom."""
import numpy as np
import tensorflow as tf

threads_set = 0


def set_threads(threads):
    """Once only: TensorFlow's threads cannot change after the first op."""
    global threads_set
    if not threads_set:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
        threads_set = threads
    if threads != threads_set:
        raise NotImplementedError(f"{threads} threads after {threads_set}")


def prepare(question):
    if question["what"] != "mlp":
        raise NotImplementedError(question["what"])
    random = np.random.default_rng(1)
    x = tf.constant(random.random((64, 784), dtype=np.float32))
    y = tf.constant(random.integers(0, 10, 64))
    return [mlp_step(x, y, jit) for jit in (False, True)]


def mlp_step(x, y, jit):
    sizes = (784, 128, 10)
    weights = [tf.Variable(tf.random.normal((i, o)) * i ** -0.5) for i, o in zip(sizes, sizes[1:])]
    biases = [tf.Variable(tf.zeros(o)) for o in sizes[1:]]
    variables = weights + biases

    @tf.function(jit_compile=jit)
    def step():
        with tf.GradientTape() as tape:
            hidden = tf.nn.relu(x @ weights[0] + biases[0])
            logits = hidden @ weights[1] + biases[1]
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits))
        for variable, gradient in zip(variables, tape.gradient(loss, variables)):
            variable.assign_sub(0.01 * gradient)
        return loss

    return lambda: float(step())

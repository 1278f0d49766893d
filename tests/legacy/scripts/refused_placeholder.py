#! -*- coding: utf-8 -*-
# What is fed to a session
import tensorflow as tf

x = tf.placeholder('float32', [None, 4])
with tf.Session() as session:
    print(session.run(x + 1, feed_dict={x: [[1.0, 2.0, 3.0, 4.0]]}))

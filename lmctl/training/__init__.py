"""Trains networks.

The modules checkpoint, devices, events, loading, plan, result, schedule and time_limit do not import TensorFlow at
import time.
"""

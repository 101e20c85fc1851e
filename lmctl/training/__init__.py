"""How networks are trained.

Free of TensorFlow until it is used: checkpoint, devices, events, loading, plan, result, schedule,
time_limit.
"""

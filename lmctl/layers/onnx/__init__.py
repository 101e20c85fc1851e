"""The layers as ONNX operators, for models that other runtimes answer from."""

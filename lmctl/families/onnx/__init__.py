"""Models as ONNX files, which other runtimes answer from."""

"""What the files of an ONNX export are called."""

ENCODER, DECODER, ABOUT = "encoder.onnx", "decoder.onnx", "onnx.json"

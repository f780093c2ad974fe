"""What a fitted model predicts, whether it fits, and which of several models does better."""

from idfit.prediction.predict import predict

__all__ = ["predict"]

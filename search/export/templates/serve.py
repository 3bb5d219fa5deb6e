"""Serves the model of this folder over HTTP: POST a picture to /predict, and get its names as JSON.

pip install -r requirements.txt
uvicorn serve:app --port 8080
curl --data-binary @picture.png http://localhost:8080/predict
"""

import io
import json
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image, ImageOps, UnidentifiedImageError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

FOLDER = Path(__file__).parent
CONTRACT = json.loads((FOLDER / "model.json").read_text(encoding="utf-8"))
HEIGHT, WIDTH, CHANNELS = CONTRACT["image_shape"]
ANY_SIZE = FOLDER / "model_any_size.onnx"
SESSION = onnxruntime.InferenceSession(str(ANY_SIZE if ANY_SIZE.is_file() else FOLDER / "model.onnx"))
LARGEST_BODY = 20 * 2**20  # bytes
LARGEST_PICTURE = 50_000_000  # pixels


class PictureError(ValueError):
    """The body is no picture that can be answered."""


def read_picture(body: bytes) -> np.ndarray:
    """Returns the picture as uint8 (height, width, channels)."""
    try:
        with Image.open(io.BytesIO(body)) as picture:
            if picture.width * picture.height > LARGEST_PICTURE:
                raise PictureError(f"at most {LARGEST_PICTURE:,} pixels are taken")
            picture = ImageOps.exif_transpose(picture).convert("RGBA")
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError, SyntaxError):
        raise PictureError("the body is not a picture that Pillow can read") from None
    # Transparency is laid on white, as it was for training.
    white = Image.new("RGBA", picture.size, "white")
    colours = Image.alpha_composite(white, picture).convert("RGB")
    if ANY_SIZE.is_file():
        return np.asarray(colours)
    fitted = colours.convert("L" if CHANNELS == 1 else "RGB").resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR)
    return np.asarray(fitted).reshape(HEIGHT, WIDTH, CHANNELS)


def answer(body: bytes) -> dict[str, object]:
    """Returns the names in a picture, and the probability of each class."""
    (rows,) = SESSION.run(["probabilities"], {"images": read_picture(body)[None]})
    row = [float(share) for share in rows[0]]
    classes, thresholds = CONTRACT["classes"], CONTRACT.get("thresholds") or [0.5] * len(row)
    least = CONTRACT.get("minimum_probability", 0.0)
    if CONTRACT["task"] == "multilabel":
        shares = dict(zip(classes, row, strict=True))
        names = [name for name, limit in zip(classes, thresholds, strict=True) if shares[name] >= max(limit, least)]
    else:
        shares = dict(zip(classes, [1 - row[0], row[0]] if CONTRACT["task"] == "binary" else row, strict=True))
        if CONTRACT["task"] == "binary":
            best = classes[int(row[0] >= thresholds[0])]
        else:
            best = max(shares, key=shares.__getitem__)
        names = [best] if shares[best] >= least else []
    ranked = dict(sorted(shares.items(), key=lambda entry: -entry[1]))
    return {"names": sorted(names, key=lambda name: -shares[name]), "probabilities": ranked}


async def predict(request: Request) -> JSONResponse:
    """Answers one picture, which is the body of the request."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_BODY:
            return JSONResponse({"error": f"at most {LARGEST_BODY // 2**20} MB are taken"}, status_code=413)
    try:
        return JSONResponse(await run_in_threadpool(answer, body))
    except PictureError as error:
        return JSONResponse({"error": str(error)}, status_code=400)


async def health(request: Request) -> JSONResponse:
    """Says that the server is up."""
    return JSONResponse({"status": "ok", "dataset": CONTRACT["dataset"]})


app = Starlette(routes=[Route("/predict", predict, methods=["POST"]), Route("/health", health)])

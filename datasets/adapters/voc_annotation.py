"""Reads one PASCAL VOC annotation, an XML file that may be hostile."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from ...text import first_line
from .label_names import clean_name

MAX_BYTES = 4 << 20
MAX_DEPTH = 16
# The parser takes a time that grows with the square of the number of one element's attributes: seconds for 300,000.
MAX_ATTRIBUTES = 1000
_DECLARED = re.compile(rb"""^(\s*<\?xml[^>]*?encoding\s*=\s*["'])([\w.:-]+)(["'])""")
# Those that the parser reads itself.
_READ_BY_PARSER = ("utf-8", "utf-16", "us-ascii", "ascii", "iso-8859-1")
_NO = ("", "0", "no", "false", "f", "n", "unspecified", "none", "unknown")
_OBJECT = ("annotation", "object")
_KEPT_TEXTS = {
    ("annotation", "filename"): "filename",
    (*_OBJECT, "name"): "name",
    (*_OBJECT, "difficult"): "difficult",
    (*_OBJECT, "bndbox", "xmin"): "xmin",
    (*_OBJECT, "bndbox", "ymin"): "ymin",
    (*_OBJECT, "bndbox", "xmax"): "xmax",
    (*_OBJECT, "bndbox", "ymax"): "ymax",
}


class AnnotationError(ValueError):
    """An annotation cannot be used; the message is the reason without the file's name."""


@dataclass(frozen=True)
class AnnotatedObject:
    """An object that an annotation names."""

    name: str
    """The class."""
    difficult: bool
    """Marked as hard to recognise."""
    area: float
    """Area of its box in square pixels; 0 without a box."""


@dataclass(frozen=True)
class Annotation:
    """The annotation of one image."""

    filename: str
    """Name of the image file, without folders; empty when the annotation does not say."""
    objects: tuple[AnnotatedObject, ...]


def read_annotation(path: Path) -> Annotation:
    """Reads one annotation, without building a tree.

    Raises:
        AnnotationError: The file is damaged, too large or nested too deeply, points outside the image folder, or
            declares a DTD, entities or external references.
    """
    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import DefusedXMLParser, ParseError

    collector = _Collector()
    parser = DefusedXMLParser(target=collector, forbid_dtd=True)
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise AnnotationError(f"the XML file is larger than {MAX_BYTES >> 20} MB")
        content = _in_utf8(content)
        if any(part.count(b"=") > MAX_ATTRIBUTES for part in content.split(b"<")):
            raise AnnotationError(f"an element of the XML file has more than {MAX_ATTRIBUTES:,} attributes")
        parser.feed(content)
        parser.close()
    except ParseError as error:
        raise AnnotationError(f"damaged XML: {error}") from error
    except DefusedXmlException as error:
        raise AnnotationError("the XML file declares a DTD, entities or external references") from error
    except OSError as error:
        raise AnnotationError(error.strerror or str(error)) from error
    # The parser's own, for encodings that it knows by name only.
    except (LookupError, ValueError) as error:
        if isinstance(error, AnnotationError):
            raise
        raise AnnotationError(f"damaged XML: {first_line(error)}") from error
    if any(part in collector.filename for part in ("/", "\\", "\0")) or collector.filename in ("..", "."):
        raise AnnotationError(f"<filename> points outside the image folder: '{collector.filename[:80]}'")
    return Annotation(collector.filename, tuple(_to_object(texts) for texts in collector.objects if texts.get("name")))


def _in_utf8(content: bytes) -> bytes:
    """Returns an XML file that declares an encoding which the parser lacks, such as GB2312, in UTF-8.

    Raises:
        AnnotationError: There is no such encoding, or the file is not in it.
    """
    declared = _DECLARED.match(content)
    if declared is None:
        return content
    encoding = declared.group(2).decode("ascii", "replace")
    if encoding.lower() in _READ_BY_PARSER:
        return content
    try:
        text = content[declared.end() :].decode(encoding)
    except LookupError:
        raise AnnotationError(f"the XML file declares the unknown encoding '{encoding[:40]}'") from None
    except UnicodeDecodeError:
        raise AnnotationError(f"the XML file is not in the encoding that it declares, {encoding[:40]}") from None
    return declared.group(1) + b"utf-8" + declared.group(3) + text.encode()


@dataclass
class _Collector:
    """Receives the events of the parser, and keeps the few texts that are used."""

    filename: str = ""
    objects: list[dict[str, str]] = field(default_factory=list)
    _path: list[str] = field(default_factory=list)
    _text: list[str] = field(default_factory=list)

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._path.append(tag)
        self._text = []
        if len(self._path) > MAX_DEPTH:
            raise AnnotationError(f"the XML file is nested deeper than {MAX_DEPTH} levels")
        if tuple(self._path) == _OBJECT:
            self.objects.append({})

    def data(self, text: str) -> None:
        self._text.append(text)

    def end(self, tag: str) -> None:
        kept = _KEPT_TEXTS.get(tuple(self._path))
        text = "".join(self._text).strip()
        if kept == "filename":
            self.filename = text
        elif kept is not None:
            self.objects[-1][kept] = text
        self._path.pop()
        self._text = []

    def close(self) -> None:
        return


def _to_object(texts: dict[str, str]) -> AnnotatedObject:
    try:
        left, top, right, bottom = (float(texts.get(edge, "0")) for edge in ("xmin", "ymin", "xmax", "ymax"))
    except ValueError as error:
        raise AnnotationError(f"the box of '{texts['name']}' is not made of numbers") from error
    area = max(0.0, right - left) * max(0.0, bottom - top)
    return AnnotatedObject(clean_name(texts["name"]), texts.get("difficult", "0").lower() not in _NO, area)

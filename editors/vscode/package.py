"""Make a .vsix of the extension: `python editors/vscode/package.py [FILE]`. npm fetches what it depends on.

A .vsix is a zip archive: the extension with what it depends on, a manifest made from package.json, and the
types of the files.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

HERE = Path(__file__).resolve().parent
SOURCES = ("package.json", "extension.js", "README.md")

_TYPES = """<?xml version="1.0" encoding="utf-8"?>
<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">{types}</Types>
"""
_MANIFEST = """<?xml version="1.0" encoding="utf-8"?>
<PackageManifest Version="2.0.0" xmlns="http://schemas.microsoft.com/developer/vsx-schema/2011">
  <Metadata>
    <Identity Language="en-US" Id={name} Version={version} Publisher={publisher}/>
    <DisplayName>{display}</DisplayName>
    <Description xml:space="preserve">{description}</Description>
    <Categories>{categories}</Categories>
    <Properties>
      <Property Id="Microsoft.VisualStudio.Code.Engine" Value={engine}/>
    </Properties>
  </Metadata>
  <Installation><InstallationTarget Id="Microsoft.VisualStudio.Code"/></Installation>
  <Dependencies/>
  <Assets>
    <Asset Type="Microsoft.VisualStudio.Code.Manifest" Path="extension/package.json" Addressable="true"/>
    <Asset Type="Microsoft.VisualStudio.Services.Content.Details" Path="extension/README.md"
           Addressable="true"/>
  </Assets>
</PackageManifest>
"""


def package(target: Path, npm: str = "npm") -> None:
    """Write the archive to `target`. Raises CalledProcessError when npm fails."""
    with tempfile.TemporaryDirectory() as folder:
        for name in SOURCES:
            shutil.copy(HERE / name, folder)
        command = [npm, "install", "--omit=dev", "--no-audit", "--no-fund", "--no-package-lock"]
        subprocess.run(command, cwd=folder, check=True, stdout=sys.stderr)
        write(target, Path(folder))


def write(target: Path, folder: Path) -> None:
    """The archive of a folder that has all in it."""
    about = json.loads((folder / "package.json").read_text(encoding="utf-8"))
    manifest = _MANIFEST.format(
        name=quoteattr(about["name"]),
        version=quoteattr(about["version"]),
        publisher=quoteattr(about["publisher"]),
        display=escape(about["displayName"]),
        description=escape(about["description"]),
        categories=escape(",".join(about["categories"])),
        engine=quoteattr(about["engines"]["vscode"]),
    )
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", _TYPES.format(types="".join(_content_types(folder, files))))
        archive.writestr("extension.vsixmanifest", manifest)
        for path in files:
            archive.write(path, f"extension/{path.relative_to(folder).as_posix()}")


def _content_types(folder: Path, files: list[Path]) -> Iterator[str]:
    known = {".json": "application/json", ".js": "application/javascript", ".md": "text/markdown"}
    suffixes = {path.suffix.lower() for path in files if path.suffix} | {".vsixmanifest"}
    for suffix in sorted(suffixes):
        kind = "text/xml" if suffix == ".vsixmanifest" else known.get(suffix, "application/octet-stream")
        yield f"<Default Extension={quoteattr(suffix)} ContentType={quoteattr(kind)}/>"
    for path in files:
        if not path.suffix:
            part = quoteattr(f"/extension/{path.relative_to(folder).as_posix()}")
            yield f'<Override PartName={part} ContentType="text/plain"/>'


if __name__ == "__main__":
    file = Path(sys.argv[1] if len(sys.argv) > 1 else "qatlint.vsix")
    package(file)
    print(file)

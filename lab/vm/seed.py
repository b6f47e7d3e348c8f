"""What makes a virtual machine that very one, as an archive which its guest unpacks at each boot."""

import io
import tarfile
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Seed:
    """Files of the guest: absolute path to content and mode."""

    files: dict[str, tuple[str, int]] = field(default_factory=dict)

    def write(self, path: str, content: str, mode: int = 0o644) -> None:
        self.files[path] = (content, mode)

    def save(self, archive: Path) -> None:
        """Write the archive, which a guest sees as a disk: tar's blocks are a multiple of a sector."""
        archive.touch(mode=0o600)
        with tarfile.open(archive, "w") as file:
            for path, (content, mode) in self.files.items():
                data = content.encode()
                entry = tarfile.TarInfo(path.lstrip("/"))
                entry.size, entry.mode = len(data), mode
                file.addfile(entry, io.BytesIO(data))

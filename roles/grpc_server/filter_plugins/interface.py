"""The filter `interface`: how a host names the interface of a release, to compare two of them."""

from __future__ import annotations

import base64
import hashlib
import sys
from pathlib import Path
from typing import Any

# Ansible loads this file by its path; what it shares with its neighbours is found from the root.
sys.path.append(str(Path(__file__).parents[3]))

from roles.grpc_server.module_utils.compatibility import descriptors_of


def interface(archive: str, descriptors: str = "") -> str:
    """Return the SHA-256 of the descriptors in a release's archive, "" when it has none.

    While the archive is not there yet, the `descriptors`, in base64, stand for its own.
    """
    path = Path(archive)
    data = descriptors_of(path) if path.is_file() else base64.b64decode(descriptors)
    return hashlib.sha256(data).hexdigest() if data else ""


class FilterModule:
    """Offers the filter to Ansible."""

    def filters(self) -> dict[str, Any]:
        """Return the filter by its name."""
        return {"interface": interface}

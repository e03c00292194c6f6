"""Write the pages: ``python -m serving.manual docs``; with a README, also what it shows."""

import sys
from pathlib import Path

from serving.manual.example import show
from serving.manual.pages import write

if __name__ == "__main__":
    folder, *readme = map(Path, sys.argv[1:])
    write(folder)
    for page in readme:
        show(folder / "demo.txt", page)

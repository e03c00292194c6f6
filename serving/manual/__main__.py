"""Write the pages into a folder: ``python -m serving.manual docs``."""

import sys
from pathlib import Path

from serving.manual.pages import write

if __name__ == "__main__":
    write(Path(sys.argv[1]))

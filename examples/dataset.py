"""Windows of sound from many URLs, each read as it is needed: what torch and Hugging Face iterate.

Needs: pip install 'kithara[av,resample]'. With torch: DataLoader(Windows(urls), batch_size=8), and
`class Windows(torch.utils.data.IterableDataset)`; with datasets:
IterableDataset.from_generator(Windows(urls).__iter__).
"""

import sys
from collections.abc import Iterator, Sequence
from typing import TypedDict

import numpy as np
import numpy.typing as npt

import kithara


class Window(TypedDict):
    """As the audio column of a dataset."""

    array: npt.NDArray[np.float32]
    sampling_rate: int


class Windows:
    """Mono windows of equal length at one rate; a URL that fails is told and left out."""

    def __init__(self, urls: Sequence[str], *, seconds: float = 10.0, rate: int = 16_000) -> None:
        self.urls, self.rate = urls, rate
        self.frames = round(seconds * rate)

    def __iter__(self) -> Iterator[Window]:
        for url in self.urls:
            try:
                with kithara.open(url, rate=self.rate, channels=1) as track:
                    for block in track.blocks(frames=self.frames):
                        if len(block.data) == self.frames:
                            yield {"array": block.data[:, 0], "sampling_rate": self.rate}
            except kithara.ERRORS as error:
                print(f"left out: {error}", file=sys.stderr)


if __name__ == "__main__":
    for window in Windows(sys.argv[1:]):
        print(window["array"].shape, window["sampling_rate"])

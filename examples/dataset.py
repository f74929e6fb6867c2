"""Windows of sound from many URLs, each read as it is needed: what torch and Hugging Face iterate.

Needs: pip install 'kithara[av,resample]' torch. With torch: DataLoader(Windows(urls), batch_size=8,
num_workers=2). With Hugging Face's datasets, which divide `urls` among workers by themselves:
IterableDataset.from_generator(windows, gen_kwargs={"urls": urls}).with_format("torch").
"""

import sys
from collections.abc import Iterator, Sequence
from typing import TypedDict

import numpy as np
import numpy.typing as npt
from torch.utils.data import IterableDataset, get_worker_info

import kithara


class Window(TypedDict):
    """As the audio column of a dataset."""

    array: npt.NDArray[np.float32]
    sampling_rate: int


def windows(urls: Sequence[str], seconds: float = 10.0, rate: int = 16_000) -> Iterator[Window]:
    """Mono windows of equal length at one rate; a URL that fails is told and left out."""
    frames = round(seconds * rate)
    for url in urls:
        try:
            with kithara.open(url, rate=rate, channels=1, strict=True) as track:
                for block in track.blocks(frames=frames):
                    if len(block.data) == frames:
                        yield {"array": block.data[:, 0], "sampling_rate": rate}
        except kithara.ERRORS as error:
            print(f"left out: {error}", file=sys.stderr)


class Windows(IterableDataset):
    """The same for torch: each worker of a DataLoader reads its share of the URLs."""

    def __init__(self, urls: Sequence[str]) -> None:
        self.urls = urls

    def __iter__(self) -> Iterator[Window]:
        worker = get_worker_info()
        return windows(self.urls[worker.id :: worker.num_workers] if worker else self.urls)


if __name__ == "__main__":
    for window in Windows(sys.argv[1:]):
        print(window["array"].shape, window["sampling_rate"])

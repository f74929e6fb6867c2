"""A notebook, cell by cell: Jupyter, VS Code and Spyder run the parts between the lines of `%%`.

Needs: pip install 'kithara[av]' ipython
"""

# %% What to look at
import sys

from IPython.display import Audio, display

import kithara

URL = sys.argv[1]

# %% Thirty seconds of it, as float32 (frames, channels)
pcm, rate = kithara.decode(URL, duration=30)
print(pcm.shape, rate, f"loudest sample {abs(pcm).max():.3f}")

# %% Listen: IPython wants (channels, frames)
display(Audio(pcm.T, rate=rate))

# %% What happened on the way: a page with the timeline, shown in the notebook
with kithara.open(URL) as track:
    for _ in track.blocks(seconds=10):
        pass
    display(track.report())

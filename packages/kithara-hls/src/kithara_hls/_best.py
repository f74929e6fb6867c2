"""The rule that takes the best variant that is allowed."""

from ._abr_protocol import AbrDecision, AbrState, DownloadSample


class BestRule:
    """Takes the highest bitrate, whatever the network gives."""

    def decide(self, state: AbrState) -> AbrDecision:
        """Answer the last candidate."""
        return AbrDecision(variant=state.candidates[-1], reason="best")

    def on_download(self, sample: DownloadSample) -> None:
        """Learn nothing."""
